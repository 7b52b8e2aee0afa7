"""The exit statuses of ``mailauth hash``."""

from mailauth.hashes import Verdict

STATUS = {
    Verdict.MATCH: 0,
    Verdict.MISMATCH: 1,
    Verdict.MALFORMED: 3,
    Verdict.UNSUPPORTED: 4,
    Verdict.WEAK: 5,
    Verdict.OUT_OF_MEMORY: 6,
}
