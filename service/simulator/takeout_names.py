"""The names of Gmail's labels and files in exports of several languages.

Of its own, so that it finds errors in the tables of the service.
"""

from typing import NamedTuple


class Names(NamedTuple):
    """The names of an export. `category` has a category's name at the `{}`."""

    folder: str
    mbox: str
    archived: str
    opened: str
    category: str
    labels: dict[str, str]

    def of(self, label_id: str) -> str | None:
        """The name of one of Gmail's labels."""
        _, is_category, name = label_id.partition("CATEGORY_")
        if is_category:
            return self.category.format(self.labels[name])
        return self.labels.get(label_id)


def _labels(names: str) -> dict[str, str]:
    ids = "INBOX SENT DRAFT CHAT SPAM TRASH IMPORTANT UNREAD STARRED"
    categories = "PERSONAL SOCIAL PROMOTIONS UPDATES FORUMS"
    return dict(zip([*ids.split(), *categories.split()], names.split("|"), strict=True))


LANGUAGES = {
    "en": Names(
        folder="Mail",
        mbox="All mail Including Spam and Trash",
        archived="Archived",
        opened="Opened",
        category="Category {}",
        labels=_labels(
            "Inbox|Sent|Drafts|Chat|Spam|Trash|Important|Unread|Starred"
            "|Personal|Social|Promotions|Updates|Forums"
        ),
    ),
    "de": Names(
        folder="E-Mail",
        mbox="Alle E-Mails, auch Spam und Papierkorb",
        archived="Archiviert",
        opened="Geöffnet",
        category='Kategorie: "{}"',
        labels=_labels(
            "Posteingang|Gesendet|Entwürfe|Chat|Spam|Papierkorb|Wichtig|Ungelesen|Markiert"
            "|Persönlich|Soziale Netzwerke|Werbung|Neuigkeiten|Foren"
        ),
    ),
    "fr": Names(
        folder="Messages",
        mbox="Tous les messages, y compris spam et corbeille",
        archived="Messages archivés",
        opened="Ouvert",
        category="Catégorie\N{NO-BREAK SPACE}: {}",
        labels=_labels(
            "Boîte de réception|Messages envoyés|Brouillons|Chat|Spam|Corbeille|Important|Non lus"
            "|Suivis|E-mails personnels|Réseaux sociaux|Promotions|Notifications|Forums"
        ),
    ),
    "ja": Names(
        folder="メール",
        mbox="すべてのメール（迷惑メール、ゴミ箱のメールを含む）",
        archived="アーカイブ済み",
        opened="開封済み",
        category="カテゴリ「{}」",
        labels=_labels(
            "受信トレイ|送信済み|下書き|チャット|迷惑メール|ゴミ箱|重要|未読|スター付き"
            "|個人|ソーシャル|プロモーション|新着|フォーラム"
        ),
    ),
    "ko": Names(
        folder="메일",
        mbox="전체보관함",
        archived="보관됨",
        opened="열림",
        category="{} 카테고리",
        labels=_labels(
            "받은편지함|보낸편지함|임시보관함|채팅|스팸|휴지통|중요편지함|읽지않음|별표편지함"
            "|개인정보|소셜|프로모션|업데이트|포럼"
        ),
    ),
    "zh-CN": Names(
        folder="邮件",
        mbox="所有邮件（包括垃圾邮件和已删除邮件）",
        archived="已归档",
        opened="已打开",
        category="类别：{}",
        labels=_labels(
            "收件箱|已发送|草稿|聊天|垃圾邮件|已删除邮件|重要|未读|已加星标"
            "|个人|社交|推广|动态|论坛"
        ),
    ),
}
