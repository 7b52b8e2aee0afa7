"""Other software's hashes, made by that software or published for it, and the password that they are of."""

import base64
import hmac

import pytest

from mailauth.hashes import Password, generate
from mailauth.hashes.allowance import Allowance, allowed
from mailauth.hashes.foreign_verify import verify
from mailauth.hashes.hash import Limits

SECRET = "hashcat"
WORDPRESS = base64.b64encode(hmac.digest(b"wp-sha384", SECRET.encode(), "sha384"))
# The examples of hashcat's manual, and what Django 5, Werkzeug 3 and passlib wrote for the same password.
STRINGS = {
    "phpass": "$P$984478476IagS59wHZvyQMArzfx58u.",
    "phpBB": "$H$984478476IagS59wHZvyQMArzfx58u.",
    "WordPress": "$wp" + generate("BLF-CRYPT", Password(WORDPRESS), cost=4).removeprefix("{BLF-CRYPT}"),
    "Drupal": "$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf",
    "MySQL": "*FCF7C1B8749CF99D88E5F34271D636178FB5D130",
    "MySQL 3": "7196759210defdc0",
    "apr1": "$apr1$71850310$gh9m4xcAn3MGxogwX/ztb.",
    "Django sha1": "sha1$fe76b$02d5916550edf7fc8c886f044887f4b1abf9b013",
    "Django pbkdf2": "pbkdf2_sha256$20000$H0dPx8NeajVu$GiC4k5kqbbR9qWBlsRgDywNqC2vd9kqfk7zdorEnNas=",
    "Django bcrypt": "bcrypt_sha256$$2b$04$P9XEV5llULeDI12LAe9Ysu6EPp7zJK9kWKj1Dm.RkrTe8v/nF92FW",
    "Django scrypt": (
        "scrypt$1024$abcd_/efgh!$8$5$RCSgYcPWk3LTD0Bk3DBS6z2i2n9Qw81KYi6e39H/5AE7XbBp81eKcEsFMXGjxfk7kMgRTBem"
        "+gSNB8srHz3I1w=="
    ),
    "Werkzeug scrypt": (
        "scrypt:1024:8:1$D3QBSmNci43X4op0$a69b6b0019e4bc6f989fd10d6ec69f686de219fe0a179706ad0f52848bb56001b87f"
        "582f721cb3e9b7ec886061f205b47b6314ffb521af28c8f61e5b1b039757"
    ),
    "Werkzeug pbkdf2": (
        "pbkdf2:sha512:1000$Bl03nn8flFEIYyEb$d5581a33152a3c62fc290e2a3a6ef41baf99d816842f5e3167df1312d151cff24"
        "fdeec7f749571e5f5a3f9a54254f8667f19f74b5080f8f0335984100b9b37c6"
    ),
    "passlib pbkdf2": (
        "$pbkdf2-sha512$1000$DWFsbQ3B.H8vxZgzhlAK4Q$qBVl/nHjxGX3vV/GF0rVAbkRhRRg8FlyGPiU36zwXSi47VlzkQGlGRLW6b"
        ".7jH54fUDijjMzqe4CZhwwrbYsiA"
    ),
    "passlib scrypt": (
        "$scrypt$ln=10,r=8,p=1$PefcW4uR0prTWktJ6X1P6Q$RUAq7aWfR9bD9v99v5xdkVTsXfV3lxF0DOav59HxFZ8"
    ),
    "OpenLDAP pbkdf2": (
        "{PBKDF2-SHA512}1000$Sek9Z0yp9V6rNcYYw9jbew$o22yHCODURRkuO2iQpfopQcggd1tIWUPN2umdTJn9RM5PBJq1PUo.hrFZN"
        "4CBWvwZlIx.jn21Oz/AFbRf9S3Wg"
    ),
    "GRUB": (
        "grub.pbkdf2.sha512.10000.7d391ef48645f626b427b1fae06a7219b5b54f4f02b2621f86b5e36e83ae492bd1db60871e45b"
        "c07925cecb46ff8ba3db31c723c0c6acbd4f06f60c5b246ecbf.26d59c52b50df90d043f070bd9cbcd92a74424da42b3666fde"
        "b08f1a54b8f1d2f4f56cf436f9382419c26798dc2c209a86003982b1e5a9fcef905f4dfaa4c524"
    ),
}
OF_ANOTHER = {  # passlib's manual; their password is "password"
    "passlib bcrypt 2": "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
    "passlib bcrypt 1": "$bcrypt-sha256$2a,12$LrmaIX5x4TRtAwEfwJZa1.$2ehnw6LvuIUTM0iz4iz9hTxv21B6KFO",
}


@pytest.mark.parametrize("name", [*STRINGS, *OF_ANOTHER])
def test_the_password_matches_and_no_other_does(name: str) -> None:
    stored = (STRINGS | OF_ANOTHER)[name].encode()
    right = SECRET if name in STRINGS else "password"
    for word in (right, "hashcau", f"{right} "):
        found = verify(stored, Password.of(word))
        assert found is not None
        blanks = name in ("WordPress", "MySQL 3")  # which take those at the end away
        assert found.matches is ((word.strip() if blanks else word) == right), word


@pytest.mark.parametrize("stored", [b"", b"$P$short", b"canary", b"$2y$04$cut", b"*LOCKED", b"\xff" * 40])
def test_what_is_no_form_that_is_known_is_not_judged(stored: bytes) -> None:
    assert verify(stored, Password.of("canary")) is None


@pytest.mark.parametrize(
    "stored",
    [
        b"$P$S84478476IagS59wHZvyQMArzfx58u.",
        b"$S$T33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf",
        b"scrypt:1073741824:8:1$D3QBSmNci43X4op0$" + b"a6" * 64,
        b"pbkdf2_sha512$4000000000$salt$" + base64.b64encode(b"k" * 64),
        b"$wp$2y$31$" + b"a" * 21 + b"." + b"a" * 30 + b".",
    ],
)
def test_what_would_take_for_ever_is_not_computed(stored: bytes) -> None:
    with allowed(Allowance(Limits(64 * 1024**2, 1.0))):
        found = verify(stored, Password.of(SECRET))
    assert found is not None
    assert found.matches is None
    assert "not computed" in found.why or "MiB" in found.why
