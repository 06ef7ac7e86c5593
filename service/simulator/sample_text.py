"""People, subjects and sentences in many languages, for generated mail."""

import msgspec


class SampleLanguage(msgspec.Struct, frozen=True):
    """`charsets`: those of its mail; each can encode every text of the language."""

    charsets: tuple[str, ...]
    people: tuple[str, ...]
    subjects: tuple[str, ...]
    sentences: tuple[str, ...]


LANGUAGES = (
    SampleLanguage(
        ("us-ascii", "utf-8", "iso-8859-1"),
        ("Alice Archer", "Bob Baker", "Carol Clarke"),
        ("Lunch on Thursday", "Minutes of the meeting", "Your receipt & warranty"),
        (
            "Could you have a look at the numbers before we meet?",
            "The train leaves at nine, so let us say half past eight at the station.",
            "I found the book you asked about; it is on my desk.",
            "From here on the plan is simple: measure, cut, measure again.",
            "If a < b then b > a, as my teacher used to say.",
        ),
    ),
    SampleLanguage(
        ("utf-8", "iso-8859-1", "windows-1252"),
        ("Jürgen Groß", "Käthe Müller", "Özlem Schäfer"),
        ("Grüße aus Köln", "Rechnung für März", "Änderung der Öffnungszeiten"),
        (
            "Die Äpfel im Garten sind reif, möchtest du welche abholen?",
            "Bitte prüfe die Übersicht bis Freitag.",
            "Der Schlüssel liegt wie üblich beim Nachbarn.",
        ),
    ),
    SampleLanguage(
        ("utf-8", "iso-8859-1", "iso-8859-15"),
        ("Éloïse Lefèvre", "François Châtelain"),
        ("Réunion déplacée", "Photos de l'été"),
        (
            "La répétition commence à dix-neuf heures, comme prévu.",
            "Merci beaucoup pour le gâteau, il était délicieux.",
        ),
    ),
    SampleLanguage(
        ("utf-8", "koi8-r", "windows-1251"),
        ("Анна Иванова", "Борис Петров"),
        ("Отчёт за неделю", "Поездка в Казань"),
        (
            "Посмотри, пожалуйста, черновик письма до вечера.",
            "Поезд приходит в семь утра, встретимся у выхода.",
        ),
    ),
    SampleLanguage(
        ("utf-8", "gb18030", "gbk"),
        ("王小明", "李华"),
        ("会议安排", "周末的旅行计划"),
        (
            "请在星期五之前确认时间。",
            "附件里是上个月的报告，麻烦看一下。",
            "天气很好，我们去爬山吧。",
        ),
    ),
    SampleLanguage(
        ("utf-8", "iso-2022-jp", "shift_jis", "euc-jp"),
        ("田中太郎", "佐藤花子"),
        ("来週の予定", "お見積りについて"),
        ("資料を添付しましたのでご確認ください。", "駅前の喫茶店で待っています。"),
    ),
    SampleLanguage(
        ("utf-8", "windows-1256"),
        ("ليلى حسن", "عمر خالد"),
        ("موعد الاجتماع", "صور الرحلة"),
        ("أرجو مراجعة الملف قبل يوم الخميس.", "وصل القطار متأخرا بساعة كاملة."),
    ),
    SampleLanguage(
        ("utf-8",),
        ("Zoë 🌻", "Raj 🚲"),
        ("🎉 We did it!", "Garden update 🌱🥕"),
        ("The first tomatoes are here 🍅🍅🍅!", "Meet you at the bridge 🌉 at 7 👍🏽."),
    ),
)
