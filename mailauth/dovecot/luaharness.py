"""The Lua text that stands between a script and what it asks for, where mailauth runs one on demand.

It gives the script ``dovecot`` and an auth request as Dovecot does, as far as that needs nothing but the
request.  What it does not give (programs, written files, sockets, dovecot.http, machine code) it refuses, and
keeps in mind: whatever the script makes of a refusal is no answer of the script's.  Lua's own functions are
held as locals before the script is loaded, which may replace them all.

Source: auth_request_lua_index(), auth_lua_dovecot_auth_values and auth_request_methods, src/auth/db-lua.c;
enum passdb_result, src/auth/passdb.h; dlua_script_init(), src/lib-lua/dlua-script.c, of Dovecot 2.3.19.1 and
2.4.1.
"""

RESULTS = {
    "PASSDB_RESULT_INTERNAL_FAILURE": -1,
    "PASSDB_RESULT_SCHEME_NOT_AVAILABLE": -2,
    "PASSDB_RESULT_USER_UNKNOWN": -3,
    "PASSDB_RESULT_USER_DISABLED": -4,
    "PASSDB_RESULT_PASS_EXPIRED": -5,
    "PASSDB_RESULT_NEXT": -6,
    "PASSDB_RESULT_PASSWORD_MISMATCH": 0,
    "PASSDB_RESULT_OK": 1,
    "USERDB_RESULT_INTERNAL_FAILURE": -1,
    "USERDB_RESULT_USER_UNKNOWN": -2,
    "USERDB_RESULT_OK": 1,
}

# What is given: the script, its name, the password or nil, and four tables as pairs.  What is returned: a
# status and its values, each with its length before it.
HARNESS = r"""
local source, chunk_name, password, given_vars, given_answers, given_numbers, asked_vars = ...
local pack, unpack = string.pack, string.unpack
local sub, concat, type, tostring, tonumber = string.sub, table.concat, type, tostring, tonumber
local pcall, load, setmetatable, rawget, error, next = pcall, load, setmetatable, rawget, error, next
local open, require, searchpath, tointeger = io.open, require, package.searchpath, math.tointeger
local cpath, globals, mathtype, select, spread = package.cpath, _G, math.type, select, table.unpack
package.cpath = ""

local function pairs_of(text)
  local out, at, key, value = {}, 1, nil, nil
  while at <= #text do
    key, at = unpack("<s4", text, at)
    value, at = unpack("<s4", text, at)
    out[key] = value
  end
  return out
end
local vars, answers, numbers = pairs_of(given_vars), pairs_of(given_answers), pairs_of(given_numbers)
local unset = pairs_of(asked_vars)

local refused, count, pending = {}, 0, nil
local function note(what)
  count = count + 1
  if count <= 20 then refused[count] = sub(what, 1, 200) end
end
local function refuse(what)
  return function()
    note(what)
    error("mailauth gives the script no " .. what, 2)
  end
end
local function nothing() end

local function ask(kind, one, other)
  local key = pack("<s4s4s4", kind, one, other)
  local found = answers[key]
  if found == nil then
    pending = pending or key
    error("mailauth answers that later", 0)
  end
  return found
end

local function closed(name)
  return setmetatable({}, {
    __index = function(_, key) return refuse(name .. "." .. tostring(key)) end,
    __call = function() return refuse(name)() end,
  })
end

local event_of = {}
event_of.__index = function() return function(self) return self end end
local function event() return setmetatable({}, event_of) end

-- what a script may call of Lua's own
os = setmetatable({}, {__index = {
  clock = os.clock, date = os.date, difftime = os.difftime, time = os.time, setlocale = os.setlocale,
  getenv = nothing, execute = refuse("os.execute"), exit = refuse("os.exit"), remove = refuse("os.remove"),
  rename = refuse("os.rename"), tmpname = refuse("os.tmpname"),
}})
io = setmetatable({}, {__index = {
  type = io.type, close = io.close, read = io.read, write = io.write,
  stdin = io.stdin, stdout = io.stdout, stderr = io.stderr,
  popen = refuse("io.popen"), tmpfile = refuse("io.tmpfile"), input = refuse("io.input"),
  output = refuse("io.output"),
}})
local function opened(name, mode)
  if type(name) ~= "string" then return open(name, mode) end
  if mode ~= nil and mode ~= "r" and mode ~= "rb" then
    return refuse("right to write, to " .. name)()
  end
  local file, why, code = open(name, mode)
  if not file and code ~= 2 then note("the file " .. tostring(why)) end
  return file, why, code
end
getmetatable(io).__index.open = opened
getmetatable(io).__index.lines = function(name, ...)
  if type(name) ~= "string" then return refuse("io.lines of standard input")() end
  local file, why = opened(name, "r")
  if not file then error(why, 2) end
  return file:lines(...)
end
loadfile = function(name, ...)
  local file, why = opened(name, "r")
  if not file then return nil, why end
  local text = file:read("a")
  file:close()
  return load(text, "@" .. tostring(name), ...)
end
dofile = function(name)
  local chunk, why = loadfile(name)
  if not chunk then error(why, 2) end
  return chunk()
end
local function required(...)
  local ok, found, more = pcall(require, ...)
  if ok then return found, more end
  local name = ...
  if type(name) == "string" then
    local code = searchpath(name, cpath)
    note(code and ("module " .. name .. " (machine code)") or ("\0module " .. name))
  end
  error(found, 2)
end
globals.require = required
package.loadlib = refuse("package.loadlib")

-- dovecot, and an auth request
local auth = {}
for name, number in next, numbers do auth[name] = tointeger(tonumber(number)) end
local known = {
  auth = auth, i_debug = nothing, i_info = nothing, i_warning = nothing, i_error = nothing,
  event = event, restrict_global_variables = nothing,
}
dovecot = setmetatable({}, {__index = function(_, key)
  if known[key] ~= nil then return known[key] end
  return closed("dovecot." .. tostring(key))
end})
local methods = {
  log_debug = nothing, log_info = nothing, log_warning = nothing, log_error = nothing, event = event,
  response_from_template = refuse("response_from_template"),
  password_verify = function(_, stored, plain)
    if stored == nil then error("Crypted password must not be nil", 2) end
    if plain == nil then error("Plain password must not be nil", 2) end
    local said = ask("verify", tostring(stored), tostring(plain))
    return tointeger(tonumber(said))
  end,
  var_expand = function(_, template) return ask("expand", tostring(template), "") end,
}
local function earlier(name)
  return setmetatable({}, {__index = function(_, key)
    if unset["first passdb"] == nil then note("field request." .. name .. "." .. tostring(key)) end
    return nil
  end})
end
local request = setmetatable({passdb = earlier("passdb"), userdb = earlier("userdb")}, {
  __index = function(_, key)
    if vars[key] ~= nil then return vars[key] end
    if methods[key] then return methods[key] end
    if key == "skip_password_check" or key == "passdbs_seen_user_unknown"
        or key == "passdbs_seen_internal_failure" or key == "userdbs_seen_internal_failure" then
      if unset["first passdb"] == nil then note("field request." .. key) end
      return false
    end
    if unset[key] then note("client's request." .. key) end
    return nil
  end,
})

local function told(status, ...)
  local out = {pack("<s4", status), pack("<s4", pending or ""), pack("<s4", tostring(#refused))}
  for at = 1, #refused do out[#out + 1] = pack("<s4", refused[at]) end
  for at = 1, select("#", ...) do out[#out + 1] = pack("<s4", (select(at, ...))) end
  return concat(out)
end
local function words(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" or kind == "boolean" or kind == "nil" then return tostring(value) end
  return "a value of the type " .. kind
end
local function is_function(name)
  local ok, found = pcall(function() return globals[name] end)
  return ok and type(found) == "function" and found or nil
end

local chunk, why = load(source, chunk_name, "t")
if not chunk then return told("load", words(why)) end
local ok, came = pcall(chunk)
if not ok then return told("load", words(came)) end
local init = is_function("script_init")
if init then
  ok, came = pcall(init)
  if not ok then return told("load", words(came)) end
  if mathtype(came) ~= "integer" or came ~= 0 then return told("load", "script_init() returned no 0") end
end
local name = "auth_password_verify"
local called = is_function(name)
if not called then
  name = "auth_passdb_lookup"
  called = is_function(name)
elseif password == nil then
  return told("password")
end
if not called then return told("lacks") end
local result, value
ok, result, value = pcall(called, request, password)
if not ok then return told("error", name, words(result)) end
if type(result) ~= "number" and not (type(result) == "string" and tonumber(result)) then
  return told("number", name, type(result))
end
local number = tointeger(tonumber(result)) or 0
local kind, fields = type(value), {}
if kind == "number" then kind, value = "string", tostring(value) end
if kind == "string" then
  fields[1] = value
elseif kind == "table" then
  for key, one in next, value do
    local sort = type(one)
    if type(key) == "number" then key = tostring(key) end
    if type(key) ~= "string" then
      return told("key", name)
    elseif sort == "number" then
      fields[#fields + 1], fields[#fields + 2] = key, tostring(tointeger(one) or 0)
    elseif sort == "boolean" then
      fields[#fields + 1], fields[#fields + 2] = key, one and "yes" or "no"
    elseif sort == "string" then
      fields[#fields + 1], fields[#fields + 2] = key, one
    end
  end
end
return told("called", name, tostring(number), kind, spread(fields))
"""
