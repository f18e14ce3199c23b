//go:build !race

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
)

const (
	walkEmail       = "ada@example.com"
	walkPassword    = "a passphrase nobody else has"
	walkNewPassword = "another passphrase nobody has"
)

// A walk collects, while it goes, everything that only the user may see.
type walk struct {
	secrets []string
	token   string
	backup  []string
	liveKey string
	deadKey string

	user, organization string
}

// ST-2, LO-2.
// TestTheWholeContractHoldsOverHTTPFromThreeLanguagesAndOverARestart runs the program
// that users run: built, started on a database that is not there yet, used in every
// way that the contract names, stopped with SIGTERM and started again. TF-2: the QR code
// is read by a program that has nothing in common with the one that draws it.
func TestTheWholeContractHoldsOverHTTPFromThreeLanguagesAndOverARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts processes")
	}
	binary := buildServer(t)
	t.Run("bolt", func(t *testing.T) {
		dir := t.TempDir()
		database := filepath.Join(dir, "auth.db")
		walkThrough(t, binary, dir, "bolt:"+database, database+".secret", func() []byte {
			records, err := os.ReadFile(database)
			if err != nil {
				t.Fatal(err)
			}
			return records
		})
	})
	shared := func(t *testing.T, spec string) {
		dir := t.TempDir()
		walkThrough(t, binary, dir, spec, filepath.Join(dir, openstore.SharedSecretFile), func() []byte { return everythingIn(t, spec) })
	}
	if redistest.Available(t) {
		t.Run("Redis", func(t *testing.T) { shared(t, "redis://"+redistest.Start(t).Addr()) })
	}
	if pgtest.Available(t) {
		t.Run("PostgreSQL", func(t *testing.T) {
			server := pgtest.Shared(t)
			shared(t, server.URLOf(server.NewDatabase("")))
		})
	}
}

// everythingIn returns the keys and values of a store.
func everythingIn(t *testing.T, spec string) (all []byte) {
	p, err := openstore.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.OpenOrCreate(t.Context(), discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for after := ""; ; {
		page, err := s.Walk(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			all = append(append(all, r.Key...), r.Value...)
		}
		for _, c := range page.Counters {
			all = append(all, c.Key...)
		}
		if after = page.Next; after == "" {
			return all
		}
	}
}

// walkThrough walks with a server on one store, whose content records returns.
func walkThrough(t *testing.T, binary, dir, spec, secretFile string, records func() []byte) {
	start := func() *process {
		cmd := exec.Command(binary, "-addr", "127.0.0.1:0", "-store", spec)
		cmd.Dir = dir
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AUTH_SECRET=") })
		return startProcess(t, cmd)
	}
	server := start()

	w := &walk{}
	t.Run("Go", func(t *testing.T) { w.firstStart(t, server) })
	oathtool := installed(t, "oathtool", inPath("oathtool"))
	python, requests := pythonWithRequests()
	if installed(t, "Python with requests", requests) && oathtool {
		t.Run("Python", func(t *testing.T) { runScript(t, python, "testdata/walk.py", server.base) })
	}
	if installed(t, "node", inPath("node")) && oathtool {
		t.Run("JavaScript", func(t *testing.T) { runScript(t, "node", "testdata/walk.mjs", server.base) })
	}
	if t.Failed() {
		t.Fatalf("the server's log:\n%s", server.output)
	}
	t.Run("an operator", func(t *testing.T) { administer(t, dir) })
	if exit := server.stop(t); exit != 0 {
		t.Fatalf("exit status %d after SIGTERM:\n%s", exit, server.output)
	}

	again := start()
	t.Run("after a restart", func(t *testing.T) { w.afterRestart(t, again) })
	if exit := again.stop(t); exit != 0 {
		t.Fatalf("exit status %d after SIGTERM:\n%s", exit, again.output)
	}

	log := server.output.String() + again.output.String()
	for _, event := range []string{"registered", "login_succeeded", "two_factor_enabled", "api_key_revoked", "logged_out", "user_unlocked"} {
		if !strings.Contains(log, "event.type="+event) {
			t.Errorf("the log does not say that somebody %s", event)
		}
	}
	root, err := os.ReadFile(secretFile)
	if err != nil {
		t.Fatal(err)
	}
	kept := records()
	for i, secret := range append(w.secrets, strings.TrimSpace(string(root))) {
		if strings.Contains(log, secret) {
			t.Errorf("LO-2: secret %d of the walk is in the log", i)
		}
		if bytes.Contains(kept, []byte(secret)) {
			t.Errorf("ST-2: secret %d of the walk is in the database", i)
		}
	}
	if strings.Contains(log, walkEmail) {
		t.Error("an email address is in the log")
	}
	for _, trace := range []string{walkEmail, "Ada King", w.user, w.organization, "Engines", strings.TrimPrefix(w.user, "user_") + "/s."} {
		if bytes.Contains(kept, []byte(trace)) {
			t.Errorf("PR-7: %q is left of a deleted account", trace)
		}
	}
}

// administer finds the user of the walk on the socket in dir, and unlocks the account.
func administer(t *testing.T, dir string) {
	short, err := os.MkdirTemp("", "a") // the path of a socket has 104 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	if err := os.Symlink(dir, filepath.Join(short, "d")); err != nil {
		t.Fatal(err)
	}
	client := bySocket(filepath.Join(short, "d", "auth.sock"))
	code, text := ask(t, client, http.MethodGet, "http://localhost/users?email="+url.QueryEscape(walkEmail), "")
	var found struct{ Users []struct{ ID string } }
	if err := json.Unmarshal([]byte(text), &found); err != nil || code != 200 || len(found.Users) != 1 {
		t.Fatalf("the user: %d %s", code, text)
	}
	for _, call := range []string{"GET /users", "GET /organizations", "GET /users/" + found.Users[0].ID, "POST /users/" + found.Users[0].ID + "/unlock", "GET /doctor", "GET /stats", "GET /openapi.json"} {
		method, path, _ := strings.Cut(call, " ")
		if code, text := ask(t, client, method, "http://localhost"+path, ""); code != 200 {
			t.Errorf("%s: %d %s", call, code, text)
		}
	}
}

// mailed returns the token of a mail to the user, which is a secret.
func (w *walk) mailed(t *testing.T, server *process, purpose auth.MailPurpose) string {
	t.Helper()
	token := server.mail(t, purpose, walkEmail)
	w.secrets = append(w.secrets, token)
	return token
}

// firstStart is the first walk: everything up to, and including, what a restart must keep.
func (w *walk) firstStart(t *testing.T, server *process) {
	c := server.client
	const v1 = "/v1/auth"
	registered := c.must(t, 201, "POST", v1+"/register", "", object{
		"email": walkEmail, "password": walkPassword, "full_name": "Ada Lovelace", "organization_name": "Engines",
	})
	if registered.text("role") != "admin" || !strings.HasPrefix(registered.text("organization_id"), "org_") {
		t.Errorf("registered as %v", registered)
	}
	success(t, c.must(t, 200, "POST", v1+"/verify-email", "", object{"token": w.mailed(t, server, auth.MailVerifyEmail)}))
	w.user, w.organization = registered.text("id"), registered.text("organization_id")
	c.must(t, 409, "POST", v1+"/register", "", object{"email": strings.ToUpper(walkEmail), "password": walkPassword, "full_name": "Eve"})
	c.must(t, 401, "POST", v1+"/login", "", object{"email": walkEmail, "password": "wrong " + walkPassword})
	login := c.must(t, 200, "POST", v1+"/login", "", object{"email": walkEmail, "password": walkPassword})
	token := w.keep(t, login, "access_token")
	if login.text("token_type") != "bearer" || login["expires_in"] != 3600.0 {
		t.Errorf("token_type %v, expires_in %v", login["token_type"], login["expires_in"])
	}
	me := c.must(t, 200, "GET", v1+"/me", token, nil)
	if me.text("id") != registered.text("id") || me.text("email") != walkEmail || me["two_factor_enabled"] != false || me["email_verified"] != true || me.text("organization_name") != "Engines" {
		t.Errorf("GET /me: %v", me)
	}
	me = c.must(t, 200, "PATCH", v1+"/me", token, object{"full_name": "Ada King"})
	if me.text("full_name") != "Ada King" {
		t.Errorf("PATCH /me: %v", me)
	}
	success(t, c.must(t, 200, "POST", v1+"/change-password", token, object{"current_password": walkPassword, "new_password": walkNewPassword}))
	w.secrets = append(w.secrets, walkPassword, walkNewPassword)

	enrolment := c.must(t, 200, "POST", v1+"/enable-2fa", token, nil)
	secret := w.keep(t, enrolment, "secret")
	for _, code := range enrolment["backup_codes"].([]any) {
		w.backup = append(w.backup, code.(string))
	}
	if len(w.backup) != 10 {
		t.Errorf("%d backup codes", len(w.backup))
	}
	w.secrets = append(w.secrets, w.backup...)
	checkQRCode(t, enrolment.text("qr_code"), w.keep(t, enrolment, "otpauth_url"), secret)
	now := time.Now()
	success(t, c.must(t, 200, "POST", v1+"/confirm-2fa", token, object{"code": totpCode(t, secret, now)}))

	half := c.must(t, 200, "POST", v1+"/login", "", object{"email": walkEmail, "password": walkNewPassword})
	temp := w.keep(t, half, "temp_token")
	if half["requires_2fa"] != true || half["access_token"] != nil {
		t.Errorf("the first step of a login answers %v", half)
	}
	c.must(t, 401, "GET", v1+"/me", temp, nil)
	c.must(t, 401, "POST", v1+"/verify-2fa", "", object{"temp_token": temp, "code": totpCode(t, secret, now)}) // it is spent
	// The code of the next step: one step of drift is allowed.
	full := c.must(t, 200, "POST", v1+"/verify-2fa", "", object{"temp_token": temp, "code": totpCode(t, secret, now.Add(30*time.Second)), "trust_device": true})
	before := token
	token = w.keep(t, full, "access_token")

	onDevice := object{"email": walkEmail, "password": walkNewPassword, "device_token": w.keep(t, full, "device_token")}
	byDevice := w.keep(t, c.must(t, 200, "POST", v1+"/login", "", onDevice), "access_token")
	trusted := c.must(t, 200, "GET", v1+"/trusted-devices", byDevice, nil)["trusted_devices"].([]any)
	if len(trusted) != 1 {
		t.Fatalf("GET /trusted-devices: %v", trusted)
	}
	c.must(t, 401, "POST", v1+"/me/export", byDevice, nil) // no code was asked for, so it is not fresh
	success(t, c.must(t, 200, "DELETE", v1+"/trusted-devices/"+trusted[0].(map[string]any)["id"].(string), token, nil))
	w.keep(t, c.must(t, 200, "POST", v1+"/login", "", onDevice), "temp_token")
	success(t, c.must(t, 200, "POST", v1+"/logout", byDevice, nil))

	devices := c.must(t, 200, "GET", v1+"/sessions", token, nil)["sessions"].([]any)
	if len(devices) != 2 || devices[0].(map[string]any)["current"] != true || devices[1].(map[string]any)["device"] != "Go" {
		t.Fatalf("GET /sessions: %v", devices)
	}
	success(t, c.must(t, 200, "DELETE", v1+"/sessions/"+devices[1].(map[string]any)["id"].(string), token, nil))
	c.must(t, 401, "GET", v1+"/me", before, nil)
	if ended := c.must(t, 200, "POST", v1+"/logout-others", token, nil)["ended"]; ended != 0.0 {
		t.Errorf("POST /logout-others ended %v", ended)
	}

	c.must(t, 400, "POST", v1+"/api-keys", token, object{"name": "none", "expires_in_days": 0})
	made := c.must(t, 201, "POST", v1+"/api-keys", token, object{"name": "Production", "description": "Nightly", "expires_in_days": 90})
	w.deadKey = w.keep(t, made, "key")
	other := c.must(t, 201, "POST", v1+"/api-keys", token, object{"name": "Kept"})
	w.liveKey = w.keep(t, other, "key")
	if used := listedKey(t, c, token, made.text("id"))["last_used_at"]; used != nil {
		t.Errorf("last_used_at of a new key: %v", used)
	}
	agents := c.must(t, 200, "GET", "/v1/agents", w.deadKey, nil)
	if _, list := agents["agents"].([]any); !list || agents["organization_id"] != registered["organization_id"] {
		t.Errorf("GET /v1/agents: %v", agents)
	}
	c.must(t, 200, "GET", "/v1/agents", token, nil)
	c.must(t, 401, "GET", "/v1/agents", "", nil)
	c.must(t, 403, "GET", v1+"/api-keys", w.deadKey, nil)
	listed := listedKey(t, c, token, made.text("id"))
	used, err := time.Parse(time.RFC3339, listed.text("last_used_at"))
	if err != nil || time.Since(used).Abs() > time.Minute {
		t.Errorf("last_used_at after a use: %v", listed["last_used_at"])
	}
	if prefix := listed.text("key_prefix"); !strings.HasPrefix(w.deadKey, strings.TrimSuffix(prefix, "...")) || len(prefix) != len("sk_live_xyz...") {
		t.Errorf("key_prefix %q", prefix)
	}
	of := v1 + "/api-keys/" + made.text("id")
	if changed := c.must(t, 200, "PATCH", of, token, object{"name": "Staging", "enabled": false}); changed.text("name") != "Staging" || changed["enabled"] != false {
		t.Errorf("PATCH /api-keys/{key_id}: %v", changed)
	}
	c.must(t, 401, "GET", "/v1/agents", w.deadKey, nil)
	c.must(t, 200, "PATCH", of, token, object{"enabled": true})
	rotated := c.must(t, 201, "POST", of+"/rotate", token, object{"overlap_hours": 1})
	successor := w.keep(t, rotated, "key")
	c.must(t, 409, "POST", of+"/rotate", token, nil)
	if old := listedKey(t, c, token, made.text("id")); rotated["replaces"] != made["id"] || old["replaced_by"] != rotated["id"] || old["sunset_at"] == nil {
		t.Errorf("a rotated key is listed as %v, its successor was answered as %v", old, rotated)
	}
	told := c.header(t, "/v1/agents", w.deadKey)
	sunset, err := http.ParseTime(told.Get("Sunset"))
	if left := time.Until(sunset); err != nil || left < 58*time.Minute || left > time.Hour || !strings.HasPrefix(told.Get("Deprecation"), "@") {
		t.Errorf("GET /v1/agents with a replaced key: %v", told)
	}
	if told := c.header(t, "/v1/agents", successor); told.Get("Sunset")+told.Get("Deprecation") != "" {
		t.Errorf("GET /v1/agents with its successor: %v", told)
	}
	usage := c.must(t, 200, "GET", of+"/usage", token, nil)
	if networks, hours := usage["networks"].([]any), usage["hours"].([]any); usage["total"] != 3.0 || len(networks) != 1 || len(hours) == 0 {
		t.Errorf("GET /api-keys/{key_id}/usage: %v", usage)
	}
	success(t, c.must(t, 200, "DELETE", v1+"/api-keys/"+rotated.text("id"), token, nil))
	success(t, c.must(t, 200, "DELETE", v1+"/api-keys/"+made.text("id"), token, nil))
	c.must(t, 401, "GET", "/v1/agents", w.deadKey, nil)
	c.must(t, 404, "DELETE", v1+"/api-keys/"+made.text("id"), token, nil)

	w.token = w.keep(t, c.must(t, 200, "POST", v1+"/refresh", token, nil), "access_token")
	c.must(t, 200, "GET", v1+"/me", w.token, nil)
	success(t, c.must(t, 200, "POST", v1+"/logout", w.token, nil))
	c.must(t, 401, "GET", v1+"/me", w.token, nil)
	c.must(t, 401, "GET", v1+"/me", token, nil)
	c.must(t, 200, "GET", v1+"/openapi.json", "", nil)
}

func (w *walk) afterRestart(t *testing.T, server *process) {
	c := server.client
	c.must(t, 401, "GET", "/v1/auth/me", w.token, nil)
	c.must(t, 401, "GET", "/v1/agents", w.deadKey, nil)
	c.must(t, 200, "GET", "/v1/agents", w.liveKey, nil)
	half := c.must(t, 200, "POST", "/v1/auth/login", "", object{"email": walkEmail, "password": walkNewPassword})
	full := c.must(t, 200, "POST", "/v1/auth/verify-2fa", "", object{"temp_token": w.keep(t, half, "temp_token"), "code": w.backup[0]})
	me := c.must(t, 200, "GET", "/v1/auth/me", w.keep(t, full, "access_token"), nil)
	if me.text("full_name") != "Ada King" || me["two_factor_enabled"] != true {
		t.Errorf("GET /me after a restart: %v", me)
	}
	if state := c.must(t, 200, "GET", "/v1/auth/two-factor", full.text("access_token"), nil); state["enabled"] != true || state["backup_codes_left"] != float64(9) || state["required"] != false {
		t.Errorf("GET /two-factor: %v", state)
	}
	renewed := c.must(t, 200, "POST", "/v1/auth/backup-codes", full.text("access_token"), object{"password": walkNewPassword, "code": w.backup[1]})
	w.backup = nil
	for _, code := range renewed["backup_codes"].([]any) {
		w.backup = append(w.backup, code.(string))
	}
	w.secrets = append(w.secrets, w.backup...)
	for _, key := range c.must(t, 200, "GET", "/v1/auth/api-keys", full.text("access_token"), nil)["api_keys"].([]any) {
		if key.(map[string]any)["last_used_at"] == nil {
			t.Error("the key that was just used has no last_used_at")
		}
	}
	w.forgetAndDelete(t, server)
}

// forgetAndDelete resets the password by mail, logs in with the second factor, takes the data along
// and deletes the account.
func (w *walk) forgetAndDelete(t *testing.T, server *process) {
	c := server.client
	const v1, newest = "/v1/auth", "a third passphrase nobody has"
	w.secrets = append(w.secrets, newest)
	c.must(t, 202, "POST", v1+"/forgot-password", "", object{"email": "nobody@example.com"})
	c.must(t, 202, "POST", v1+"/forgot-password", "", object{"email": strings.ToUpper(walkEmail)})
	reset := w.mailed(t, server, auth.MailResetPassword)
	c.must(t, 400, "POST", v1+"/reset-password", "", object{"token": reset, "new_password": "short"})
	success(t, c.must(t, 200, "POST", v1+"/reset-password", "", object{"token": reset, "new_password": newest}))
	c.must(t, 400, "POST", v1+"/reset-password", "", object{"token": reset, "new_password": newest})
	c.must(t, 401, "POST", v1+"/login", "", object{"email": walkEmail, "password": walkNewPassword})
	half := c.must(t, 200, "POST", v1+"/login", "", object{"email": walkEmail, "password": newest})
	full := c.must(t, 200, "POST", v1+"/verify-2fa", "", object{"temp_token": w.keep(t, half, "temp_token"), "code": w.backup[0]})
	token := w.keep(t, full, "access_token")
	c.must(t, 200, "GET", "/v1/agents", w.liveKey, nil) // which a reset of a verified account keeps

	export := c.must(t, 200, "POST", v1+"/me/export", token, nil)
	account, _ := export["account"].(map[string]any)
	if account["id"] != w.user || account["email"] != walkEmail || len(export["sessions"].([]any)) != 1 || len(export["api_keys"].([]any)) == 0 || len(export["networks"].([]any)) == 0 {
		t.Errorf("POST /me/export: %v", export)
	}
	other := w.leave(t, server, token)
	c.must(t, 401, "POST", v1+"/delete-account", token, object{"password": newest})
	c.must(t, 401, "POST", v1+"/delete-account", token, object{"password": walkNewPassword, "code": w.backup[1]})
	success(t, c.must(t, 200, "POST", v1+"/delete-account", token, object{"password": newest, "code": w.backup[1]}))
	c.must(t, 401, "GET", v1+"/me", token, nil)
	c.must(t, 401, "GET", "/v1/agents", w.liveKey, nil)
	c.must(t, 401, "POST", v1+"/login", "", object{"email": walkEmail, "password": newest})
	success(t, c.must(t, 200, "POST", v1+"/delete-account", other, object{"password": walkPassword})) // it also uses the pages of the file again
}

// leave manages the organization, invites a user and removes them, and then leaves it for one of the
// user's own. It returns a token of the other user.
func (w *walk) leave(t *testing.T, server *process, token string) (other string) {
	c := server.client
	const v1 = "/v1/auth"
	before := c.must(t, 200, "GET", v1+"/organization", token, nil)
	renamed := c.must(t, 200, "PATCH", v1+"/organization", token, object{"name": "Looms"})
	members := c.must(t, 200, "GET", v1+"/organization/members?limit=1", token, nil)["members"].([]any)
	if before["members"] != float64(1) || renamed.text("name") != "Looms" || len(members) != 1 || members[0].(map[string]any)["id"] != w.user {
		t.Errorf("the organization is %v, %v, %v", before, renamed, members)
	}
	const grace = "grace.hopper@example.com"
	made := c.must(t, 201, "POST", v1+"/organization/invitations", token, object{"email": grace, "role": "member"})
	invited := server.mail(t, auth.MailInvitation, grace)
	w.secrets = append(w.secrets, invited)
	if list := c.must(t, 200, "GET", v1+"/organization/invitations", token, nil)["invitations"].([]any); len(list) != 1 || list[0].(map[string]any)["id"] != made["id"] {
		t.Errorf("the invitations are %v", list)
	}
	join := object{"email": grace, "password": walkPassword, "full_name": "Grace Hopper", "invitation_token": invited}
	joined := c.must(t, 201, "POST", v1+"/register", "", join)
	if joined["organization_id"] != before["id"] || joined["role"] != "member" {
		t.Errorf("who was invited is %v", joined)
	}
	c.must(t, 400, "POST", v1+"/register", "", join)
	success(t, c.must(t, 200, "POST", v1+"/organization/members/"+joined.text("id")+"/remove", token, nil))
	made = c.must(t, 201, "POST", v1+"/organization/invitations", token, object{"email": grace, "role": "admin"})
	again := server.mail(t, auth.MailInvitation, grace)
	w.secrets = append(w.secrets, again)
	success(t, c.must(t, 200, "DELETE", v1+"/organization/invitations/"+made.text("id"), token, nil))
	other = w.keep(t, c.must(t, 200, "POST", v1+"/login", "", object{"email": grace, "password": walkPassword}), "access_token")
	c.must(t, 400, "POST", v1+"/accept-invitation", other, object{"token": again})
	c.must(t, 404, "POST", v1+"/organization/members/user_1/remove", token, nil)
	c.must(t, 200, "PATCH", v1+"/organization/members/"+w.user, token, object{"role": "member"})
	success(t, c.must(t, 200, "POST", v1+"/organization/leave", token, nil))
	c.must(t, 401, "GET", "/v1/agents", w.liveKey, nil)
	after := c.must(t, 200, "GET", v1+"/me", token, nil)
	if after["role"] != "admin" || after["organization_id"] == before["id"] || after.text("organization_name") != "Ada King" {
		t.Errorf("who has left is %v", after)
	}
	return other
}

// keep returns a member that is a secret, and remembers it as one.
func (w *walk) keep(t *testing.T, answer object, member string) string {
	t.Helper()
	secret := answer.text(member)
	if secret == "" {
		t.Fatalf("no %s in %v", member, answer)
	}
	w.secrets = append(w.secrets, secret)
	return secret
}

func success(t *testing.T, answer object) {
	t.Helper()
	if answer["success"] != true || answer.text("message") == "" {
		t.Errorf("answer %v", answer)
	}
}

func listedKey(t *testing.T, c client, token, id string) object {
	t.Helper()
	for _, key := range c.must(t, 200, "GET", "/v1/auth/api-keys", token, nil)["api_keys"].([]any) {
		if key := object(key.(map[string]any)); key.text("id") == id {
			return key
		}
	}
	t.Fatalf("no key %s in the list", id)
	return nil
}

// totpCode is what an authenticator shows at a time: an independent one, where there
// is one.
func totpCode(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	if !installed(t, "oathtool", inPath("oathtool")) {
		return authtest.TOTPCode(auth.Secret(secret), at)
	}
	out, err := exec.Command("oathtool", "--totp", "-b", secret, "--now", fmt.Sprintf("@%d", at.Unix())).Output()
	if err != nil {
		t.Fatalf("oathtool: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// checkQRCode has an independent reader say what is in the picture.
func checkQRCode(t *testing.T, dataURI, otpauthURL, secret string) {
	t.Helper()
	picture, ok := strings.CutPrefix(dataURI, "data:image/png;base64,")
	if !ok {
		t.Fatalf("qr_code begins %.30q", dataURI)
	}
	png, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		t.Fatal(err)
	}
	if !installed(t, "zbarimg", inPath("zbarimg")) {
		return
	}
	file := filepath.Join(t.TempDir(), "qr.png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file).Output()
	if err != nil {
		t.Fatalf("zbarimg: %v", err)
	}
	text := strings.TrimSpace(string(out))
	uri, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if text != otpauthURL {
		t.Error("the QR code is not the otpauth_url of the answer")
	}
	if uri.Scheme != "otpauth" || uri.Host != "totp" || uri.Query().Get("secret") != secret || !strings.HasSuffix(uri.Path, ":"+walkEmail) {
		t.Error("the QR code is not the otpauth URI of the secret in the answer")
	}
}

// pythonWithRequests finds a Python that has the requests package.
func pythonWithRequests() (python string, ok bool) {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import requests").Run() == nil {
			return python, true
		}
	}
	return "", false
}

func runScript(t *testing.T, program, script, base string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, script, base).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	var done struct{ Calls int }
	if err := json.Unmarshal(out, &done); err != nil || done.Calls < 20 {
		t.Fatalf("%s did not walk to its end: %s", script, out)
	}
}
