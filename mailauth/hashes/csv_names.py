"""Names of a list's columns, as the programs write them that have such lists, in English.

Source: what the mail programs and panels call user and password in their own translations.
"""

import re
import unicodedata

_LONGEST = 200  # characters of a column's name
_FIXED = re.compile(r"\[(userPrincipalName|passwordProfile)\]", re.IGNORECASE)  # Entra's, in any language
_ADDED = re.compile(r"\[[^]]*\]|\(.*?\)|\brequired\b", re.IGNORECASE)
_OTHERS = {
    "user": "benutzer nutzer utilisateur usuario utente utilizador gebruiker użytkownik användare "
    "bruger bruker käyttäjä uživatel felhasználó пользователь",
    "username": "benutzername nutzername anmeldename benutzerkennung nomdutilisateur identifiant "
    "nombredeusuario nomeutente nomedeusuario nomedeutilizador gebruikersnaam "
    "nazwaużytkownika användarnamn brugernavn brukernavn käyttäjätunnus uživatelskéjméno "
    "felhasználónév имяпользователя логин",
    "emailaddress": "emailadresse mailadresse adresseemail adressemail adressedecourriel adresseélectronique "
    "direccióndecorreo direccióndecorreoelectrónico correoelectrónico indirizzoemail "
    "indirizzodipostaelettronica endereçodeemail endereçodecorreioeletrônico emailadres "
    "adresemail epostadress epostadresse sähköpostiosoite адресэлектроннойпочты",
    "mailbox": "postfach boîteauxlettres buzón casella postvak",
    "password": "passwort kennwort motdepasse contraseña clave parolachiave senha palavrapasse wachtwoord "
    "hasło lösenord adgangskode passord salasana heslo jelszó пароль",
    "initialpassword": "anfänglicheskennwort erstkennwort",
    "domain": "domäne domaene domaine dominio domínio domein domena",
}


def _letters(text: str) -> str:
    """Without marks, blanks, and signs: "Contraseña" and "contrasena" are one."""
    bare = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in bare if one.isalnum())


_ENGLISH = {_letters(name): english for english, names in _OTHERS.items() for name in names.split()}


def plain(name: str) -> str:
    """A column's name without what the programs add: "Password [Required]", "User name *"; "" for none."""
    if len(name) > _LONGEST:  # each bracket in it would be looked for to the end
        return ""
    if fixed := _FIXED.search(name):
        return fixed[1].lower()
    return _letters(_ADDED.sub("", name))


def english(name: str) -> str:
    """What a plain name is called in English, if it is known in another language."""
    return _ENGLISH.get(name, name)
