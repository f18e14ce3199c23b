"""The whole contract from Python, with requests. Usage: walk.py http://HOST:PORT"""

import json
import subprocess
import sys
import time

import requests

BASE = sys.argv[1]
EMAIL, PASSWORD, CHANGED = "grace@example.com", "a compiler for everyone", "a compiler for everybody"
calls = 0


def call(want, method, path, credential=None, body=None, header="Authorization"):
    """Make one call and return the answer, which must have the status that is wanted."""
    global calls
    calls += 1
    headers = {}
    if credential:
        headers[header] = f"Bearer {credential}" if header == "Authorization" else credential
    r = requests.request(method, BASE + path, json=body, headers=headers, timeout=20)
    assert r.status_code == want, f"{method} {path}: {r.status_code} {r.json().get('code')}, want {want}"
    kind = "application/json" if r.ok else "application/problem+json"
    assert r.headers["Content-Type"].startswith(kind), r.headers["Content-Type"]
    assert r.headers["Cache-Control"] == "no-store"
    return r.json()


def code(secret, steps=0):
    """What an authenticator shows now, or some steps of 30 seconds from now."""
    now = f"@{int(time.time()) + 30 * steps}"
    return subprocess.check_output(["oathtool", "--totp", "-b", secret, "--now", now], text=True).strip()


def auth(want, method, path, credential=None, body=None):
    return call(want, method, "/v1/auth" + path, credential, body)


user = auth(201, "POST", "/register", body={"email": EMAIL, "password": PASSWORD, "full_name": "Grace Hopper", "organization_name": "Navy"})
assert set(user) == {"id", "email", "full_name", "organization_id", "role", "created_at"}, user
assert user["created_at"].endswith("Z")
auth(400, "POST", "/register", body={"email": "other@example.com", "password": "short", "full_name": "Other"})
auth(409, "POST", "/register", body={"email": EMAIL, "password": PASSWORD, "full_name": "Other"})
assert auth(401, "POST", "/login", body={"email": EMAIL, "password": "not " + PASSWORD})["code"] == "invalid_credentials"

login = auth(200, "POST", "/login", body={"email": EMAIL, "password": PASSWORD})
assert set(login) == {"access_token", "token_type", "expires_in", "user"}, login.keys()
assert (login["token_type"], login["expires_in"]) == ("bearer", 3600)
token = login["access_token"]
assert token.startswith("eyJhbGciOiJIUzI1NiIs")
assert auth(200, "GET", "/me", token)["assigned_agents"] == []
assert auth(200, "PATCH", "/me", token, {"full_name": "Grace M. Hopper"})["full_name"] == "Grace M. Hopper"
auth(200, "POST", "/change-password", token, {"current_password": PASSWORD, "new_password": CHANGED})

enrolment = auth(200, "POST", "/enable-2fa", token)
assert len(set(enrolment["backup_codes"])) == 10
auth(401, "POST", "/confirm-2fa", token, {"code": "abcdef"})
assert auth(200, "POST", "/confirm-2fa", token, {"code": code(enrolment["secret"])})["message"] == "Two-factor authentication enabled"
half = auth(200, "POST", "/login", body={"email": EMAIL, "password": CHANGED})
assert set(half) == {"requires_2fa", "temp_token"} and half["requires_2fa"] is True
full = auth(200, "POST", "/verify-2fa", body={"temp_token": half["temp_token"], "code": code(enrolment["secret"], 1)})
token = full["access_token"]
assert full["user"]["id"] == user["id"]

key = auth(201, "POST", "/api-keys", token, {"name": "Production", "description": "Nightly export", "expires_in_days": 90})
assert key["key"].startswith("sk_live_")
call(200, "GET", "/v1/agents", key["key"])
call(200, "GET", "/v1/agents", key["key"], header="X-API-Key")
call(200, "GET", "/v1/agents", token)
(listed,) = auth(200, "GET", "/api-keys", token)["api_keys"]
assert listed["id"] == key["id"] and listed["last_used_at"] is not None and "key" not in listed, listed
assert auth(200, "DELETE", f"/api-keys/{key['id']}", token)["message"] == "API key revoked"
call(401, "GET", "/v1/agents", key["key"])

disabled = auth(200, "POST", "/disable-2fa", token, {"password": CHANGED, "code": enrolment["backup_codes"][0]})
assert disabled["message"] == "Two-factor authentication disabled"
refreshed = auth(200, "POST", "/refresh", token)
assert set(refreshed) == {"access_token", "token_type", "expires_in"}
assert auth(200, "POST", "/logout", refreshed["access_token"])["message"] == "Logged out successfully"
auth(401, "GET", "/me", refreshed["access_token"])

print(json.dumps({"calls": calls}))
