"""What words mean that an administrator pastes: of Dovecot's log, of a client, of a finding.  Pure."""

from mailauth.meaning.looking_up import Candidate, Meaning, MessageMeaning, meaning_of, nearest, rule_called

__all__ = ["Candidate", "Meaning", "MessageMeaning", "meaning_of", "nearest", "rule_called"]
