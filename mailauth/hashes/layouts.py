"""What the same keys give on another keyboard layout.  Pure.

Each layout is the 47 keys from the one left of "1" to the one left of the right shift key, row by row, first
without and then with shift.  Source: the basic variants in xkeyboard-config's symbols; dead keys stand for
the character on the key.
"""

from collections.abc import Iterator

_KEYS = 47
_LAYOUTS = {
    "US": "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"ZXCVBNM<>?",
    "German": "^1234567890ß´qwertzuiopü+#asdfghjklöäyxcvbnm,.-"  # noqa: RUF001 - as on the keys
    "°!\"§$%&/()=?`QWERTZUIOPÜ*'ASDFGHJKLÖÄYXCVBNM;:_",
    "French": "²&é\"'(-è_çà)=azertyuiop^$*qsdfghjklmùwxcvbn,;:!"
    "²1234567890°+AZERTYUIOP¨£µQSDFGHJKLM%WXCVBN?./§",
    "British": "`1234567890-=qwertyuiop[]#asdfghjkl;'zxcvbnm,./"
    '¬!"£$%^&*()_+QWERTYUIOP{}~ASDFGHJKL:@ZXCVBNM<>?',
    "Spanish": "º1234567890'¡qwertyuiop`+çasdfghjklñ´zxcvbnm,.-"  # noqa: RUF001 - as on the keys
    'ª!"·$%&/()=?¿QWERTYUIOP^*ÇASDFGHJKLÑ¨ZXCVBNM;:_',
    "Italian": "\\1234567890'ìqwertyuiopè+ùasdfghjklòàzxcvbnm,.-"
    '|!"£$%&/()=?^QWERTYUIOPé*§ASDFGHJKLç°ZXCVBNM;:_',
    "Swiss": "§1234567890'^qwertzuiopü¨$asdfghjklöäyxcvbnm,.-"
    '°+"*ç%&/()=?`QWERTZUIOPè!£ASDFGHJKLéàYXCVBNM;:_',
    "Russian": "ё1234567890-=йцукенгшщзхъ\\фывапролджэячсмитьбю."
    'Ё!"№;%:?*()_+ЙЦУКЕНГШЩЗХЪ/ФЫВАПРОЛДЖЭЯЧСМИТЬБЮ,',
    "Dvorak": "`1234567890[]',.pyfgcrl/=\\aoeuidhtns-;qjkxbmwvz"
    '~!@#$%^&*(){}"<>PYFGCRL?+|AOEUIDHTNS_:QJKXBMWVZ',
}
_PAIRS = (
    ("German", "US"),
    ("French", "US"),
    ("British", "US"),
    ("Spanish", "US"),
    ("Italian", "US"),
    ("Swiss", "US"),
    ("Swiss", "German"),
    ("French", "German"),
    ("Russian", "US"),
    ("Dvorak", "US"),
)
_LETTERS = {
    "a QWERTZ and a QWERTY keyboard, letters only": ("yzYZ", "zyZY"),
    "an AZERTY and a QWERTY keyboard, letters only": ("aqzwAQZW", "qawzQAWZ"),
}

assert all(len(keys) == 2 * _KEYS for keys in _LAYOUTS.values()), "a layout has a key too many or too few"


def retyped(text: str) -> Iterator[tuple[str, str]]:
    """The same keys on another layout, and which two layouts; nothing that changes nothing."""
    for which, (here, there) in _LETTERS.items():
        yield text.translate(str.maketrans(here, there)), which
    for one, other in _PAIRS:
        for typed, meant in ((one, other), (other, one)):
            keys = _LAYOUTS[typed]
            if all(char in keys or char == " " for char in text):
                moved = text.translate(str.maketrans(keys, _LAYOUTS[meant]))
                yield moved, f"the {typed} and the {meant} keyboard"
