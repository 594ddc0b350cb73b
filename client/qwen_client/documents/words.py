"""The words that documents add to what chains made, by language: as charts, English, Chinese and Japanese."""

WORDS: dict[str, tuple[str, str]] = {
    "Actions": ("待办事项", "アクション"),
    "Advertisement": ("广告", "広告"),
    "Charts": ("图表", "図表"),
    "Concepts": ("概念图", "概念図"),
    "Date": ("日期", "日付"),
    "Dates": ("日程", "日程"),
    "Day": ("日期", "日付"),
    "Decisions": ("决定", "決定事項"),
    "Due": ("期限", "期限"),
    "Duration": ("时长", "時間"),
    "Event": ("事项", "内容"),
    "Figure": ("图", "図"),
    "Idea": ("创意", "アイデア"),
    "Illustration": ("插图", "挿絵"),
    "Key terms": ("关键词", "キーワード"),
    "Language": ("语言", "言語"),
    "Minutes": ("会议纪要", "議事録"),
    "Narration": ("旁白", "ナレーション"),
    "Not transcribed": ("未转写", "書き起こせなかった部分"),
    "Owner": ("负责人", "担当"),
    "Pictures": ("画面", "画像"),
    "Read aloud": ("朗读", "朗読"),
    "Said": ("发言", "発言"),
    "Scenes": ("场景", "シーン"),
    "Speaker": ("发言人", "発言者"),
    "Speakers": ("发言人", "発言者"),
    "Story": ("故事", "ストーリー"),
    "Storyboard": ("故事板", "絵コンテ"),
    "Task": ("任务", "タスク"),
    "Time": ("时间", "時刻"),
    "Transcript": ("文字记录", "書き起こし"),
    "Until when": ("何时完成", "いつまでに"),
    "When it was said": ("何时提到", "いつ話されたか"),
    "Who does what": ("分工", "誰が何をするか"),
}
LANGUAGES = ("zh", "ja")


def word(english: str, language: str) -> str:
    """In the language, or in English where that is not one of these."""
    return WORDS[english][LANGUAGES.index(language)] if language in LANGUAGES else english
