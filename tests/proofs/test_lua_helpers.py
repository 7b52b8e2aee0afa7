"""What a function of a Lua script returns to the script itself is nothing that Dovecot takes or refuses."""

from collections.abc import Callable

from mailauth.finding import Severity
from tests.proofs.story import Proof
from tests.proofs.test_lua import GOOD, is_well, script, told

Make = Callable[..., Proof]
# Beside another result than OK, and beside OK: what Dovecot does not take.
WRONG = {"2.3": ("nil", "nil"), "2.4": ("{}", '"text"')}
HELPERS = """
local auth = dovecot.auth
local function judged(user, password)
  if user ~= "alice" then return auth.PASSDB_RESULT_USER_UNKNOWN, WRONG end
  if password ~= "correct horse" then return auth.PASSDB_RESULT_PASSWORD_MISMATCH, WRONG end
  return auth.PASSDB_RESULT_OK, GIVEN
end
local M = { known = function(user) return auth.PASSDB_RESULT_OK, GIVEN end }
function M.other(user) return auth.PASSDB_RESULT_OK, GIVEN end
local nothing = function() return end
function auth_password_verify(request, password)
  local fine, result = pcall(function() return judged(request.user, password) end)
  if not fine then return auth.PASSDB_RESULT_INTERNAL_FAILURE, "" end
  if M.other(request.user) ~= auth.PASSDB_RESULT_OK then nothing() end
  for _, each in ipairs({ function() return auth.PASSDB_RESULT_OK, GIVEN end }) do each() end
  if result ~= auth.PASSDB_RESULT_OK then return result, "" end
  return result, {}
end
"""
HANDED_ON = """
local M = {}
function M.judged(user) return dovecot.auth.PASSDB_RESULT_OK, GIVEN end
local function through(request) return M.judged(request.user) end
function auth_password_verify(request, password)
  return through(request)
end
"""
ONE_OF_TWO = """
function auth_password_verify(request, password)
  local result = dovecot.auth.PASSDB_RESULT_OK
  if request.user == "root" then return dovecot.auth.PASSDB_RESULT_OK, GIVEN end
  return result, {}
end
"""


def test_only_what_reaches_dovecot_is_judged(proof: Make, dovecot_version: str) -> None:
    """Silent for what stays inside the script; found through a function whose values are handed on."""
    wrong, given = WRONG[dovecot_version[:3]]
    one = proof(dovecot_version, "lua", {"alice": GOOD})
    is_well(one, HELPERS.replace("WRONG", wrong).replace("GIVEN", given))
    for text, severity in ((ONE_OF_TWO, Severity.RISK), (HANDED_ON, Severity.BLOCKS_LOGIN)):
        script(one.lab, text.replace("GIVEN", given))
        one.lab.reload()
        assert one.logins() == [severity is Severity.RISK]
        for login in (False, True):
            assert [(found.rule.code, found.severity) for found in told(one, login=login)] == [
                ("LUA003", severity)
            ]
