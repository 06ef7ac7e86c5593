"""The names of Gmail's own labels in the languages of accounts.

Takeout writes them in the language of the account. A name marked * was seen in an export that
somebody has shown. All other names are those of Gmail's pages, and not verified in an export. An
unknown name costs nothing but a label, which the next list of that label puts right.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Language(NamedTuple):
    """Names by label id. A category is named within one of `category`, at the `{}`."""

    names: Mapping[str, tuple[str, ...]]
    category: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]


LANGUAGES = {
    "en": Language(  # all *
        {
            "INBOX": ("Inbox",),
            "SENT": ("Sent",),
            "DRAFT": ("Drafts", "Draft"),
            "CHAT": ("Chat", "Chats"),
            "SPAM": ("Spam",),
            "TRASH": ("Trash", "Bin"),
            "IMPORTANT": ("Important",),
            "UNREAD": ("Unread",),
            "STARRED": ("Starred",),
        },
        ("Category {}", "Category: {}"),
        {
            "PERSONAL": ("Personal", "Primary"),
            "SOCIAL": ("Social",),
            "PROMOTIONS": ("Promotions",),
            "UPDATES": ("Updates",),
            "FORUMS": ("Forums",),
        },
    ),
    # * Posteingang, Wichtig, Ungelesen, and the categories Persönlich and Neuigkeiten
    "de": Language(
        {
            "INBOX": ("Posteingang",),
            "SENT": ("Gesendet",),
            "DRAFT": ("Entwürfe", "Entwurf"),
            "CHAT": ("Chats", "Chat"),
            "SPAM": ("Spam",),
            "TRASH": ("Papierkorb",),
            "IMPORTANT": ("Wichtig",),
            "UNREAD": ("Ungelesen",),
            "STARRED": ("Markiert",),
        },
        ("Kategorie: {}", "Kategorie {}"),
        {
            "PERSONAL": ("Persönlich", "Allgemein"),
            "SOCIAL": ("Soziale Netzwerke", "Soziale Medien"),
            "PROMOTIONS": ("Werbung",),
            "UPDATES": ("Neuigkeiten", "Benachrichtigungen"),
            "FORUMS": ("Foren",),
        },
    ),
    # * Boîte de réception, Envoyé, Messages envoyés, Corbeille, Non lus, E-mails personnels
    "fr": Language(
        {
            "INBOX": ("Boîte de réception",),
            "SENT": ("Envoyé", "Envoyés", "Messages envoyés"),
            "DRAFT": ("Brouillons", "Brouillon"),
            "CHAT": ("Chat", "Chats"),
            "SPAM": ("Spam",),
            "TRASH": ("Corbeille",),
            "IMPORTANT": ("Important", "Importants"),
            "UNREAD": ("Non lus", "Non lu"),
            "STARRED": ("Suivis", "Messages suivis"),
        },
        ("Catégorie : {}", "Catégorie {}"),
        {
            "PERSONAL": ("E-mails personnels", "Personnel", "Principale"),
            "SOCIAL": ("Réseaux sociaux",),
            "PROMOTIONS": ("Promotions",),
            "UPDATES": ("Notifications", "Mises à jour"),
            "FORUMS": ("Forums",),
        },
    ),
    # * Recibidos, Enviados, Borradores, Importante, No leídos, Papelera
    "es": Language(
        {
            "INBOX": ("Recibidos",),
            "SENT": ("Enviados", "Enviado"),
            "DRAFT": ("Borradores", "Borrador"),
            "CHAT": ("Chat", "Chats"),
            "SPAM": ("Spam",),
            "TRASH": ("Papelera",),
            "IMPORTANT": ("Importante", "Importantes"),
            "UNREAD": ("No leídos", "No leído"),
            "STARRED": ("Destacados", "Destacado"),
        },
        ("Categoría: {}", "Categoría {}"),
        {
            "PERSONAL": ("Personal", "Principal"),
            "SOCIAL": ("Social",),
            "PROMOTIONS": ("Promociones",),
            "UPDATES": ("Notificaciones", "Actualizaciones"),
            "FORUMS": ("Foros",),
        },
    ),
    # * all names below
    "ca": Language(
        {
            "INBOX": ("Safata d'entrada",),
            "SENT": ("Enviats",),
            "DRAFT": ("Esborranys",),
            "TRASH": ("Paperera",),
            "IMPORTANT": ("Importants",),
            "UNREAD": ("No llegits",),
        },
        (),
        {},
    ),
    "it": Language(
        {
            "INBOX": ("Posta in arrivo",),
            "SENT": ("Inviati", "Inviata", "Posta inviata"),
            "DRAFT": ("Bozze", "Bozza"),
            "CHAT": ("Chat",),
            "SPAM": ("Spam",),
            "TRASH": ("Cestino",),
            "IMPORTANT": ("Importanti", "Importante"),
            "UNREAD": ("Non letti", "Da leggere"),
            "STARRED": ("Speciali", "Speciale"),
        },
        ("Categoria: {}", "Categoria {}"),
        {
            "PERSONAL": ("Personali", "Personale", "Principale"),
            "SOCIAL": ("Social",),
            "PROMOTIONS": ("Promozioni",),
            "UPDATES": ("Aggiornamenti", "Notifiche"),
            "FORUMS": ("Forum",),
        },
    ),
    "pt": Language(
        {
            "INBOX": ("Caixa de entrada",),
            "SENT": ("Enviados", "E-mails enviados", "Enviado"),
            "DRAFT": ("Rascunhos", "Rascunho"),
            "CHAT": ("Chat", "Chats", "Bate-papos"),
            "SPAM": ("Spam",),
            "TRASH": ("Lixeira", "Lixo", "Reciclagem"),
            "IMPORTANT": ("Importante", "Importantes"),
            "UNREAD": ("Não lidos", "Não lidas", "Não lido", "Não lida"),
            "STARRED": ("Com estrela", "Marcados com estrela"),
        },
        ("Categoria: {}", "Categoria {}"),
        {
            "PERSONAL": ("Pessoal", "Principal", "Principais"),
            "SOCIAL": ("Social", "Redes sociais"),
            "PROMOTIONS": ("Promoções",),
            "UPDATES": ("Atualizações",),
            "FORUMS": ("Fóruns",),
        },
    ),
    "nl": Language(
        {
            "INBOX": ("Postvak IN", "Inbox"),
            "SENT": ("Verzonden", "Verzonden berichten", "Verzonden items"),
            "DRAFT": ("Concepten", "Concept"),
            "CHAT": ("Chats", "Chat"),
            "SPAM": ("Spam",),
            "TRASH": ("Prullenbak",),
            "IMPORTANT": ("Belangrijk",),
            "UNREAD": ("Ongelezen",),
            "STARRED": ("Met ster",),
        },
        ("Categorie: {}", "Categorie {}"),
        {
            "PERSONAL": ("Persoonlijk", "Primair"),
            "SOCIAL": ("Sociaal",),
            "PROMOTIONS": ("Reclame", "Promoties"),
            "UPDATES": ("Updates",),
            "FORUMS": ("Forums",),
        },
    ),
    "pl": Language(
        {
            "INBOX": ("Odebrane",),
            "SENT": ("Wysłane",),
            "DRAFT": ("Wersje robocze", "Robocze"),
            "CHAT": ("Czat", "Czaty"),
            "SPAM": ("Spam",),
            "TRASH": ("Kosz",),
            "IMPORTANT": ("Ważne",),
            "UNREAD": ("Nieprzeczytane",),
            "STARRED": ("Oznaczone gwiazdką",),
        },
        ("Kategoria: {}", "Kategoria {}"),
        {
            "PERSONAL": ("Osobiste", "Główne"),
            "SOCIAL": ("Społeczności",),
            "PROMOTIONS": ("Oferty",),
            "UPDATES": ("Powiadomienia", "Aktualizacje"),
            "FORUMS": ("Fora",),
        },
    ),
    # * Doručené, Odesláno, Důležité, Nepřečtené
    "cs": Language(
        {
            "INBOX": ("Doručené", "Doručená pošta"),
            "SENT": ("Odesláno", "Odeslaná pošta", "Odeslané"),
            "DRAFT": ("Koncepty",),
            "SPAM": ("Spam",),
            "TRASH": ("Koš",),
            "IMPORTANT": ("Důležité",),
            "UNREAD": ("Nepřečtené",),
            "STARRED": ("S hvězdičkou",),
        },
        (),
        {},
    ),
    "tr": Language(
        {
            "INBOX": ("Gelen Kutusu",),
            "SENT": ("Gönderilmiş", "Gönderilmiş Postalar", "Gönderilenler"),
            "DRAFT": ("Taslaklar", "Taslak"),
            "CHAT": ("Sohbet", "Sohbetler"),
            "SPAM": ("Spam",),
            "TRASH": ("Çöp Kutusu", "Çöp"),
            "IMPORTANT": ("Önemli",),
            "UNREAD": ("Okunmamış",),
            "STARRED": ("Yıldızlı",),
        },
        ("Kategori: {}", "Kategori {}", "{} kategorisi"),
        {
            "PERSONAL": ("Kişisel", "Birincil"),
            "SOCIAL": ("Sosyal",),
            "PROMOTIONS": ("Tanıtımlar",),
            "UPDATES": ("Güncellemeler",),
            "FORUMS": ("Forumlar",),
        },
    ),
    "ru": Language(
        {
            "INBOX": ("Входящие",),
            "SENT": ("Отправленные",),
            "DRAFT": ("Черновики", "Черновик"),
            "CHAT": ("Чат", "Чаты"),
            "SPAM": ("Спам",),
            "TRASH": ("Корзина",),
            "IMPORTANT": ("Важное", "Важные"),
            "UNREAD": ("Непрочитанные", "Непрочитанное"),
            "STARRED": ("Помеченные",),
        },
        ("Категория: {}", "Категория {}"),
        {
            "PERSONAL": ("Личное", "Личные", "Несортированные"),
            "SOCIAL": ("Соцсети",),
            "PROMOTIONS": ("Промоакции",),
            "UPDATES": ("Оповещения", "Обновления"),
            "FORUMS": ("Форумы",),
        },
    ),
    "ja": Language(
        {
            "INBOX": ("受信トレイ",),
            "SENT": ("送信済み", "送信済みメール"),
            "DRAFT": ("下書き",),
            "CHAT": ("チャット",),
            "SPAM": ("迷惑メール",),
            "TRASH": ("ゴミ箱",),
            "IMPORTANT": ("重要",),
            "UNREAD": ("未読",),
            "STARRED": ("スター付き",),
        },
        ("カテゴリ: {}", "カテゴリ {}", "カテゴリ「{}」", "カテゴリ：{}"),
        {
            "PERSONAL": ("個人", "メイン"),
            "SOCIAL": ("ソーシャル",),
            "PROMOTIONS": ("プロモーション",),
            "UPDATES": ("最新情報", "新着"),
            "FORUMS": ("フォーラム",),
        },
    ),
    "zh-CN": Language(
        {
            "INBOX": ("收件箱",),
            "SENT": ("已发送", "已发邮件"),
            "DRAFT": ("草稿",),
            "CHAT": ("聊天",),
            "SPAM": ("垃圾邮件",),
            "TRASH": ("已删除邮件", "回收站"),
            "IMPORTANT": ("重要", "重要邮件"),
            "UNREAD": ("未读", "未读邮件"),
            "STARRED": ("已加星标",),
        },
        ("类别: {}", "类别：{}", "类别{}", "{}类别", "分类：{}"),
        {
            "PERSONAL": ("个人", "主要"),
            "SOCIAL": ("社交",),
            "PROMOTIONS": ("推广",),
            "UPDATES": ("动态", "更新"),
            "FORUMS": ("论坛",),
        },
    ),
    "zh-TW": Language(
        {
            "INBOX": ("收件匣",),
            "SENT": ("寄件備份", "已傳送"),
            "DRAFT": ("草稿",),
            "CHAT": ("即時通訊", "聊天"),
            "SPAM": ("垃圾郵件",),
            "TRASH": ("垃圾桶",),
            "IMPORTANT": ("重要", "重要郵件"),
            "UNREAD": ("未讀", "未讀取"),
            "STARRED": ("已加星號",),
        },
        ("類別: {}", "類別：{}", "類別{}", "{}類別", "分類：{}"),
        {
            "PERSONAL": ("個人", "主要"),
            "SOCIAL": ("社交網路",),
            "PROMOTIONS": ("促銷內容",),
            "UPDATES": ("最新快訊",),
            "FORUMS": ("論壇",),
        },
    ),
    # * 받은편지함, 보낸편지함, 중요편지함, 스팸, 개인정보 카테고리
    "ko": Language(
        {
            "INBOX": ("받은편지함",),
            "SENT": ("보낸편지함",),
            "DRAFT": ("임시보관함",),
            "CHAT": ("채팅",),
            "SPAM": ("스팸", "스팸함"),
            "TRASH": ("휴지통",),
            "IMPORTANT": ("중요편지함", "중요"),
            "UNREAD": ("읽지않음", "읽지 않음"),
            "STARRED": ("별표편지함",),
        },
        ("{} 카테고리", "카테고리 {}", "카테고리: {}"),
        {
            "PERSONAL": ("개인정보", "개인", "기본"),
            "SOCIAL": ("소셜",),
            "PROMOTIONS": ("프로모션",),
            "UPDATES": ("업데이트",),
            "FORUMS": ("포럼",),
        },
    ),
}


def all_names() -> Iterator[tuple[str, str]]:
    """Each name in each language, with the label id that it means."""
    for language in LANGUAGES.values():
        for label_id, names in language.names.items():
            yield from ((name, label_id) for name in names)
        for category, names in language.categories.items():
            for pattern in language.category:
                yield from ((pattern.format(name), f"CATEGORY_{category}") for name in names)
