#!/usr/bin/env python3
"""Writes the doctor's cases: deliveries that went wrong in one known way.

Every signature is made here by Python's own hmac and hashlib, so that a case
does not rest on the code it tests. Run it in this folder to write the files
anew; they come out the same each time.
"""

import base64
import codecs
import gzip
import hashlib
import hmac
import json
import pathlib
import urllib.parse

NOW = 1_790_000_000
T = str(NOW - 3)
TEXT = "sk_test_4b7c1f0a9d2e"  # a secret that is text
KEY = bytes(range(40, 64))
B64 = base64.b64encode(KEY).decode()
WHSEC = "whsec_" + B64
URLKEY = bytes([0xFB, 0xFF, 0xBF] * 8)  # its base64 has + and /
BODY = '{"id": 7, "amount": 10.50, "url": "https://a.test/x", "name": "Zo\u00eb", "tags": ["b", "a"]}'
URL = "https://hooks.example.test/in?b=2&a=1"

ACME_URL = """
name = "acme"
title = "Acme"
[signature]
algorithm = "hmac-sha256"
header = "x-acme-signature"
format = "{signature}"
signed = "{url}{body}"
encoding = "hex"
"""
ACME_BASE64URL = """
name = "acme"
title = "Acme"
[signature]
algorithm = "hmac-sha256"
header = "x-acme-signature"
format = "{signature}"
signed = "{body}"
encoding = "base64url"
"""
ACME_HEX_KEY = ACME_BASE64URL.replace('encoding = "base64url"', 'encoding = "hex"\nsecret = "base64"')


def mac(key, text, name="sha256"):
    key, text = (x.encode() if isinstance(x, str) else x for x in (key, text))
    return hmac.new(key, text, name).digest()


def b(x):
    return x.encode() if isinstance(x, str) else x


def zyra(d):
    return [["x-zyra-signature", d.hex()]]


def porkbun(d, t=T):
    return [["x-porkbun-signature", "sha256=" + d.hex()], ["x-porkbun-webhook-timestamp", t], ["x-porkbun-webhook-id", "evt_1"]]


def stackryze(d, t=T):
    return [["x-stackryze-signature", f"t={t},v1={d.hex()}"]]


def svix(d, t=T):
    return [["webhook-id", "msg_1"], ["webhook-timestamp", t], ["webhook-signature", "v1," + base64.b64encode(d).decode()]]


def acme(d):
    return [["x-acme-signature", d.hex()]]


def case(name, about, expect, provider, digest, write, body=BODY, secrets=(TEXT,), **more):
    """`write` gives the headers of a digest: once for what came, once at random."""
    out = {"about": about, "expect": expect if isinstance(expect, list) else [expect], "provider": provider}
    out["secrets"] = list(secrets)
    for key in ("definition", "others", "old", "origin", "url", "path", "query", "history", "visible", "status"):
        if key in more:
            out[key] = more.pop(key)
    extra = more.pop("extra", [])
    assert not more, more
    out["headers"] = write(digest) + extra
    out["random"] = write(hashlib.sha512(b"at random " + name.encode()).digest()[: len(digest)]) + extra
    body = b(body)
    try:
        out["body"] = body.decode()
    except UnicodeDecodeError:
        out["body_base64"] = base64.b64encode(body).decode()
    path = pathlib.Path(f"{name}.json")
    assert name not in SEEN, name
    SEEN.add(name)
    path.write_text(json.dumps(out, indent=1, ensure_ascii=True) + "\n")


SEEN = set()


def secret(name, about, expect, configured, key, **more):
    """A delivery signed with `key`, while `configured` is configured."""
    case(name, about, expect, "zyra", mac(key, BODY), zyra, secrets=configured, **more)


def whsec(name, about, expect, configured, key, **more):
    case(name, about, expect, "standard-webhooks", mac(key, f"msg_1.{T}.{BODY}"), svix, secrets=configured, **more)


def body(name, about, expect, signed, came=BODY, **more):
    """A delivery whose body was `signed` when it was signed, and came otherwise."""
    case(name, about, expect, "porkbun", mac(TEXT, b(T + ".") + b(signed)), porkbun, body=came, **more)


# Secret
secret("other_secret", "another endpoint's secret", "other_secret", ["wrong"], TEXT, others=["x", TEXT])
secret("old_secret", "the secret before the rotation", "old_secret", ["wrong"], TEXT, old=[TEXT])
secret("secret_space_before", "a blank before the secret", "secret_space", [" " + TEXT], TEXT)
secret("secret_space_newline", "a newline behind the secret, as from a file", "secret_space", [TEXT + "\n"], TEXT)
secret("secret_space_theirs", "the sender kept a newline", "secret_space", [TEXT], TEXT + "\n")
secret("secret_quotes", "quotes around the secret", "secret_quotes", [f'"{TEXT}"'], TEXT)
secret("secret_quotes_theirs", "the sender kept the quotes", "secret_quotes", [TEXT], f"'{TEXT}'")
secret("secret_prefix_kept", "whsec_ kept where only the rest is the key", "secret_prefix", ["whsec_abcdefghij"], "abcdefghij")
secret("secret_prefix_cut", "sk_ cut off", "secret_prefix", ["test_4b7c1f0a9d2e"], TEXT)
whsec("secret_prefix_v1", "v1, before whsec_", "secret_prefix", ["v1," + WHSEC], KEY)
secret("secret_decoded_base64", "the sender decodes base64 where the text is meant", "secret_decoded", [B64], KEY)
secret("secret_decoded_hex", "the sender decodes hexadecimal where the text is meant", "secret_decoded", [KEY.hex()], KEY)
secret("secret_decoded_url_safe", "the sender decodes url-safe base64", "secret_decoded", [base64.urlsafe_b64encode(URLKEY).decode()], URLKEY)
whsec("secret_text", "the sender signs with the text", "secret_text", [WHSEC], WHSEC)
whsec("secret_text_bare", "the sender signs with the text behind whsec_", ["secret_prefix"], [WHSEC], B64)
whsec("secret_alphabet_url_safe", "the secret is url-safe base64", "secret_alphabet", ["whsec_" + base64.urlsafe_b64encode(URLKEY).decode()], URLKEY)
case("secret_alphabet_padding", "the secret lacks its padding", "secret_alphabet", "acme", mac(KEY[:23], BODY), acme,
     secrets=[base64.b64encode(KEY[:23]).decode().rstrip("=")], definition=ACME_HEX_KEY)
secret("secret_variable", "the variable's name is signed with", "secret_variable", [TEXT], "$ZYRA_SECRET", origin="env:ZYRA_SECRET")
secret("secret_variable_configured", "a name in braces is configured and signed with bare", "secret_variable", ["${ZYRA_SECRET}"], "ZYRA_SECRET")
secret("secret_named", "a variable's name is configured", "secret_named", ["ZYRA_SECRET"], "the value", visible=True)
secret("secret_empty", "an empty secret", "secret_empty", [TEXT], "")
secret("secret_empty_undefined", "the word undefined", "secret_empty", [TEXT], "undefined")

# Body
body("body_newline_added", "a newline added on the way", "body_newline", BODY, BODY + "\n")
body("body_newline_removed", "a newline removed on the way", "body_newline", BODY + "\n")
body("body_newline_crlf", "CRLF removed on the way", "body_newline", BODY + "\r\n")
body("body_line_ends_lf", "CRLF became LF", "body_line_ends", "a\r\nb\r\n", "a\nb\n")
body("body_line_ends_crlf", "LF became CRLF", "body_line_ends", "a\nb\n", "a\r\nb\r\n")
body("body_bom_added", "a byte order mark added", "body_bom", BODY, codecs.BOM_UTF8 + b(BODY))
body("body_bom_removed", "a byte order mark removed", "body_bom", codecs.BOM_UTF8 + b(BODY))
DATA = {"id": 7, "tags": ["b", "a"], "in": {"z": None, "y": True}}
SPACED = json.dumps(DATA)
COMPACT = json.dumps(DATA, separators=(",", ":"))
body("body_compact", "compact JSON came with blanks", "body_compact", COMPACT, SPACED)
body("body_spaced", "Python's JSON came compact", "body_spaced", SPACED, COMPACT)
body("body_indented_2", "indented by 2, came compact", "body_indented", json.dumps(DATA, indent=2), COMPACT)
body("body_indented_4", "indented by 4, came compact", "body_indented", json.dumps(DATA, indent=4), COMPACT)
body("body_indented_tab", "indented by tabs, came compact", "body_indented", json.dumps(DATA, indent="\t"), COMPACT)
body("body_sorted", "sorted keys, came in another order", "body_sorted", json.dumps(DATA, sort_keys=True, separators=(",", ":")), COMPACT)
body("body_sorted_spaced", "sorted keys with blanks", "body_sorted", json.dumps(DATA, sort_keys=True), COMPACT)
body("body_slashes_escaped", "PHP's \\/ came as /", "body_slashes", BODY.replace("/", "\\/"))
body("body_slashes_plain", "/ came as \\/", "body_slashes", BODY, BODY.replace("/", "\\/"))
body("body_unicode_escaped", "\\u00eb came as \u00eb", "body_unicode", BODY.replace("\u00eb", "\\u00eb"))
body("body_unicode_plain", "\u00eb came as \\u00eb", "body_unicode", BODY, BODY.replace("\u00eb", "\\u00eb"))
body("body_unicode_upper", "\\u00EB came as \u00eb", "body_unicode", BODY.replace("\u00eb", "\\u00EB"))
body("body_unicode_pair", "a pair of escapes came as one character", "body_unicode", '{"a":"\\ud83d\\ude00"}', '{"a":"\U0001f600"}')
body("body_unicode_html", "Go's \\u0026 came as &", "body_unicode", '{"a":"x\\u0026y"}', '{"a":"x&y"}')
body("body_numbers_short", "10.50 came as 10.5", "body_numbers", BODY, BODY.replace("10.50", "10.5"))
body("body_numbers_float", "10 was signed as 10.0", "body_numbers", '{"a":10.0,"b":7}', '{"a":10,"b":7}')
body("body_numbers_exponent", "100.0 came as 1e2", "body_numbers", '{"a":100.0}', '{"a":1e2}')
PHP = json.dumps({"u": "https://a.test/\u00eb", "n": 1}, separators=(",", ":")).replace("/", "\\/")
body("body_language_php", "PHP's JSON, written anew by JavaScript", "body_language", PHP, '{"u":"https://a.test/\u00eb","n":1}')
body("body_language_python", "Python's JSON, written anew by JavaScript", "body_language", json.dumps({"n": "\u00eb", "f": 1.0}), '{"n":"\u00eb","f":1.0}')
body("body_language_javascript", "JavaScript's JSON, written anew by Python", "body_language", '{"n":"\u00eb","f":1}', json.dumps({"n": "\u00eb", "f": 1.0}))
FORM = "name=Zo%C3%AB+A&city=a%2Fb&note=%7Ehi"
body("body_form_decoded", "the form was signed decoded", "body_form", urllib.parse.unquote_plus(FORM), FORM)
body("body_form_encoded", "+ became %20", "body_form", FORM, FORM.replace("+", "%20"))
body("body_form_lower", "hexadecimal in lower case", "body_form", FORM.replace("%C3%AB", "%c3%ab").replace("%2F", "%2f").replace("%7E", "%7e"), FORM)
body("body_form_field", "the text of its one field was signed", "body_form", '{"a": 1}', "payload=" + urllib.parse.quote_plus('{"a": 1}'))
body("body_charset_latin1", "Latin-1 came as UTF-8", "body_charset", BODY.encode("latin-1"))
body("body_charset_windows", "Windows-1252 came as UTF-8", "body_charset", "\u20ac 5 \u2013 Zo\u00eb".encode("cp1252"), "\u20ac 5 \u2013 Zo\u00eb")
body("body_charset_utf8", "UTF-8 came as Latin-1", "body_charset", BODY, BODY.encode("latin-1"))
body("body_charset_twice", "UTF-8 written twice over", "body_charset", BODY.encode().decode("latin-1"), BODY)
body("body_charset_utf16", "UTF-16 came as UTF-8", "body_charset", "hello".encode("utf-16-le"), "hello")
body("body_characters_lost", "a character was lost", "body_characters_lost", BODY, BODY.replace("\u00eb", "\ufffd"), visible=True)
body("body_compressed", "signed before it was compressed", "body_compressed", BODY, gzip.compress(b(BODY), mtime=0), extra=[["content-encoding", "gzip"]])
body("body_inflated", "inflated on the way", "body_inflated", gzip.compress(b(BODY), mtime=0), BODY, extra=[["content-encoding", "gzip"]], visible=True)
LONG = json.dumps({"rows": list(range(900))})
body("body_beginning_power", "only the first 1024 bytes signed", "body_beginning", LONG[:1024], LONG)
body("body_beginning_length", "bytes behind content-length", ["body_beginning", "content_length"], BODY, BODY + "<!-- seen -->", extra=[["content-length", str(len(b(BODY)))]])
body("body_cut_length", "cut short of content-length", ["body_cut", "content_length"], BODY, BODY[:40], extra=[["content-length", str(len(b(BODY)))]], visible=True)
body("body_cut_power", "cut at a power of two", "body_cut", LONG, LONG[:1024], visible=True)
body("body_empty", "an empty body signed", "body_empty", "")
body("body_empty_object", "a parsed object signed", "body_empty", "[object Object]")

# Signed text
case("signed_body_only", "the body alone", "signed_body_only", "porkbun", mac(TEXT, BODY), porkbun)
case("signed_separator", "a colon for the dot", "signed_separator", "porkbun", mac(TEXT, f"{T}:{BODY}"), porkbun)
case("signed_separator_none", "nothing for the dot", "signed_separator", "porkbun", mac(TEXT, T + BODY), porkbun)
case("signed_parts_order", "body before the time", "signed_parts", "porkbun", mac(TEXT, f"{BODY}.{T}"), porkbun)
case("signed_parts_id", "with the id", "signed_parts", "porkbun", mac(TEXT, f"evt_1.{T}.{BODY}"), porkbun)
case("signed_parts_time", "with a time the scheme does not sign", "signed_parts", "zyra", mac(TEXT, f"{T}.{BODY}"), zyra, extra=[["x-zyra-timestamp", T]])
SLACK = 'name = "slacker"\ntitle = "Slacker"\n[signature]\nalgorithm = "hmac-sha256"\nheader = "x-slacker-signature"\nsigned = "v0:{timestamp}:{body}"\ntimestamp = { header = "x-slacker-time" }\nencoding = "hex"\n'
case("signed_as_other", "as another known provider signs", "signed_as_other", "zyra", mac(TEXT, f"v0:{T}:{BODY}"), zyra, definition=SLACK, extra=[["x-slacker-time", T]])
case("signed_time_unit", "milliseconds signed, seconds sent", "signed_time_unit", "porkbun", mac(TEXT, f"{T}000.{BODY}"), porkbun)
case("signed_time_unit_date", "a date signed, seconds sent", "signed_time_unit", "porkbun", mac(TEXT, f"2026-09-21T14:13:17Z.{BODY}"), porkbun)
case("signed_time_header", "the time of another header", "signed_time_header", "porkbun", mac(TEXT, f"{NOW - 9}.{BODY}"), porkbun, extra=[["x-sent-at", str(NOW - 9)]])
case("signed_id_header", "the id of another header", "signed_id_header", "standard-webhooks", mac(KEY, f"req_9.{T}.{BODY}"), svix, secrets=[WHSEC], extra=[["x-request-id", "req_9"]])


def url(name, about, expect, signed, configured=URL, path="/in", query="b=2&a=1", extra=(), **more):
    case(name, about, expect, "acme", mac(TEXT, signed + BODY), acme, definition=ACME_URL, url=configured, path=path, query=query,
         extra=[["host", "hooks.example.test"], *extra], **more)


url("url_scheme", "http signed, https configured", "url_scheme", URL.replace("https", "http"))
url("url_host", "the host in X-Forwarded-Host", "url_host", URL.replace("hooks.example", "edge"), extra=[["x-forwarded-host", "edge.test"]])
url("url_port", "with the port", "url_port", URL.replace("test/", "test:443/"))
url("url_slash", "a slash at the end", "url_slash", URL.replace("/in", "/in/"))
url("url_path", "the path before the proxy cut it", "url_path", URL.replace("/in", "/hooks/in"), extra=[["x-forwarded-prefix", "/hooks"]])
url("url_query_order", "the query sorted", "url_query", URL.replace("b=2&a=1", "a=1&b=2"))
url("url_query_none", "without the query", "url_query", URL.split("?")[0])
url("url_rebuilt", "host and scheme at once", "url_rebuilt", "http://edge.test/in?b=2&a=1", extra=[["x-forwarded-host", "edge.test"]])
url("url_rebuilt_unset", "no address configured", "url_rebuilt", "https://hooks.example.test/in?b=2&a=1", configured=None)
case("signed_url", "the address before the body", "signed_url", "zyra", mac(TEXT, "https://hooks.example.test/in" + BODY), zyra, path="/in", extra=[["host", "hooks.example.test"]])

# Algorithm and encoding
for name in ("sha1", "sha384", "sha512"):
    case(f"other_hash_{name}", f"HMAC with {name}", ["other_hash"], "zyra", mac(TEXT, BODY, name), zyra)
case("plain_hash_secret_first", "a hash of secret and body", "plain_hash", "zyra", hashlib.sha256(b(TEXT + BODY)).digest(), zyra)
case("plain_hash_secret_last", "a hash of body and secret", "plain_hash", "zyra", hashlib.sha256(b(BODY + TEXT)).digest(), zyra)
case("plain_hash_no_secret", "a hash of the body alone", "plain_hash", "zyra", hashlib.sha256(b(BODY)).digest(), zyra)
case("key_swapped", "key and text swapped", "key_swapped", "zyra", mac(BODY, TEXT), zyra)
RIGHT = mac(TEXT, BODY)


def spelled(name, about, expect, write, provider="zyra", digest=RIGHT, **more):
    case(name, about, expect, provider, digest, write, **more)


spelled("signature_encoding_base64", "base64 for hexadecimal", "signature_encoding", lambda d: [["x-zyra-signature", base64.b64encode(d).decode()]], status="malformed")
spelled("signature_encoding_hex", "hexadecimal for base64", "signature_encoding", lambda d: svix(d)[:2] + [["webhook-signature", "v1," + d.hex()]],
        "standard-webhooks", mac(KEY, f"msg_1.{T}.{BODY}"), secrets=[WHSEC], status="malformed")
spelled("signature_case", "upper case", "signature_case", lambda d: [["x-zyra-signature", d.hex().upper()]])
URLISH = next(f"{n}{BODY}" for n in range(99) if {"+", "/"} <= set(base64.b64encode(mac(TEXT, f"{n}{BODY}")).decode()))
spelled("signature_alphabet", "standard for url-safe base64", "signature_alphabet", lambda d: [["x-acme-signature", base64.b64encode(d).decode().rstrip("=")]],
        "acme", mac(TEXT, URLISH), body=URLISH, definition=ACME_BASE64URL, status="malformed")
spelled("signature_padding", "padding trimmed", "signature_padding", lambda d: svix(d)[:2] + [["webhook-signature", "v1," + base64.b64encode(d).decode().rstrip("=")]],
        "standard-webhooks", mac(KEY, f"msg_1.{T}.{BODY}"), secrets=[WHSEC], status="malformed")
spelled("signature_twice", "base64 of the hexadecimal text", "signature_twice", lambda d: [["x-zyra-signature", base64.b64encode(d.hex().encode()).decode()]], status="malformed")
spelled("signature_prefix_missing", "without sha256=", "signature_prefix", lambda d: [["x-porkbun-signature", d.hex()], ["x-porkbun-webhook-timestamp", T]],
        "porkbun", mac(TEXT, f"{T}.{BODY}"), status="malformed")
spelled("signature_prefix_added", "with sha256=", "signature_prefix", lambda d: [["x-zyra-signature", "sha256=" + d.hex()]], status="malformed")
spelled("signature_cut", "cut short", "signature_cut", lambda d: [["x-zyra-signature", d.hex()[:40]]], status="malformed")
spelled("signature_percent", "percent-encoded", "signature_percent", lambda d: svix(d)[:2] + [["webhook-signature", "v1," + urllib.parse.quote(base64.b64encode(d).decode(), safe="")]],
        "standard-webhooks", mac(KEY, f"msg_1.{T}.{BODY}"), secrets=[WHSEC], status="malformed")
spelled("signature_trailing", "more text behind it", "signature_trailing", lambda d: svix(d)[:2] + [["webhook-signature", "v1," + base64.b64encode(d).decode() + ";more"]],
        "standard-webhooks", mac(KEY, f"msg_1.{T}.{BODY}"), secrets=[WHSEC], status="malformed")

# Headers
spelled("header_renamed", "underscores for hyphens", "header_renamed", lambda d: [["x_zyra_signature", d.hex()]], visible=True)
spelled("header_renamed_original", "X-Original- before the name", "header_renamed", lambda d: [["x-original-zyra-signature", d.hex()]], visible=True)
spelled("other_provider_header", "in another provider's header", "other_provider_header", lambda d: [["x-porkbun-signature", "sha256=" + d.hex()]], visible=True)
spelled("signature_elsewhere", "in a header of its own", "signature_elsewhere", lambda d: [["x-hook-sig", d.hex()]])
spelled("signature_missing", "no signature at all", "signature_missing", lambda d: [["x-zyra-event", "device.online"]], visible=True)
spelled("probable_verification", "a request that registers", "probable_verification", lambda d: [["x-stackryze-event", "verification"]], "stackryze", visible=True)
spelled("header_doubled", "twice, one of them right", "header_doubled", lambda d: [["x-zyra-signature", d.hex()], ["x-zyra-signature", "0" * 64]], status="malformed", visible=True)
spelled("header_joined", "joined by a comma", "header_joined", lambda d: [["x-zyra-signature", f"{'0' * 64}, {d.hex()}"]], status="malformed")
spelled("signature_version", "under v2 only", "signature_version", lambda d: [["x-stackryze-signature", f"t={T},v2={d.hex()}"]],
        "stackryze", mac(TEXT, f"{T}.{BODY}"), status="malformed", visible=True)
body("content_length", "fewer bytes than content-length says", "content_length", "hello, all of you", "hello", extra=[["content-length", "17"]], visible=True)
body("content_encoding", "compressed by a coding creel does not inflate", "content_encoding", "hello", "\x0b\x02\x80hello\x03", extra=[["content-encoding", "br"]], visible=True)

# Time
OLD = str(NOW - 4000)
case("stale", "right, and 4000 s old", "stale", "porkbun", mac(TEXT, f"{OLD}.{BODY}"), lambda d: porkbun(d, OLD), visible=True)
AHEAD = str(NOW + 4000)
case("future", "right, and 4000 s ahead", "future", "porkbun", mac(TEXT, f"{AHEAD}.{BODY}"), lambda d: porkbun(d, AHEAD), visible=True)
case("timestamp_unit", "milliseconds for seconds", "timestamp_unit", "porkbun", mac(TEXT, f"{T}000.{BODY}"), lambda d: porkbun(d, T + "000"), visible=True)
case("old", "old, where there is no limit", "old", "stackryze", mac(TEXT, f"{OLD}.{BODY}"), lambda d: stackryze(d, OLD), visible=True)
case("clock_skew", "all of the last deliveries are off alike", ["stale", "clock_skew"], "porkbun", mac(TEXT, f"{OLD}.{BODY}"), lambda d: porkbun(d, OLD),
     history={"offsets": [4001, 3999, 4003], "other_offsets": [1, 2, 0]}, visible=True)
case("replay", "an older delivery's header on another body", "replay", "porkbun", mac(TEXT, f"{T}.other"), porkbun,
     history={"same_body": False}, visible=True)

# Two things at once
body("two_secret_and_newline", "another secret, and a newline added", ["other_secret", "body_newline"], BODY, BODY + "\n", secrets=["wrong"], others=[TEXT])
body("two_prefix_and_compact", "a blank around the secret, and JSON written anew", ["secret_space", "body_spaced"], SPACED, COMPACT, secrets=[TEXT + "\n"])
case("two_other_with_space", "another secret, which has a blank around it", ["other_secret", "secret_space"], "zyra", mac(TEXT, BODY), zyra, secrets=["wrong"], others=[TEXT + " "])
case("two_secret_and_text", "another secret, and the body alone", ["other_secret", "signed_body_only"], "porkbun", mac(TEXT, BODY), porkbun, secrets=["wrong"], others=[TEXT])
case("two_body_and_text", "JSON written anew, and the body alone", ["body_spaced", "signed_body_only"], "porkbun", mac(TEXT, SPACED), porkbun, body=COMPACT)
case("two_secret_and_hash", "another secret, and SHA-1", ["other_secret", "other_hash"], "zyra", mac(TEXT, BODY, "sha1"), zyra, secrets=["wrong"], others=[TEXT])
case("two_secret_and_case", "another secret, and upper case", ["other_secret", "signature_case"], "zyra", mac(TEXT, BODY), lambda d: [["x-zyra-signature", d.hex().upper()]], secrets=["wrong"], others=[TEXT])
case("two_text_and_hash", "the body alone, and SHA-512", ["signed_body_only", "other_hash"], "porkbun", mac(TEXT, BODY, "sha512"), porkbun)
case("two_secret_and_late", "another secret, and late: both are told", ["other_secret", "stale"], "porkbun", mac(TEXT, f"{OLD}.{BODY}"), lambda d: porkbun(d, OLD), secrets=["wrong"], others=[TEXT], visible=True)

for stray in pathlib.Path(".").glob("*.json"):
    if stray.stem not in SEEN:
        stray.unlink()
