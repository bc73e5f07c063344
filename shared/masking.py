"""Names as a gate may show them (P9): enough to greet a person, too little to make a list."""


def mask_name(name: str) -> str:
    """`홍길동` → `홍*동`, `김철` → `김*`, `John Doe` → `J*** D**`, `Jo` → `J*`.

    Names written without spaces in Hangul or Han characters keep the first and the last character;
    in all others each word keeps its first.
    """
    words = name.split()
    if len(words) == 1 and _is_east_asian(words[0]):
        return _mask_middle(words[0])
    return " ".join(word[0] + "*" * (len(word) - 1) for word in words)


def _mask_middle(word: str) -> str:
    if len(word) <= 2:
        return word[0] + "*" * (len(word) - 1)
    return word[0] + "*" * (len(word) - 2) + word[-1]


def _is_east_asian(word: str) -> bool:
    return all("\uac00" <= letter <= "\ud7a3" or "\u4e00" <= letter <= "\u9fff" for letter in word)
