package document

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store"
)

var quiet = slog.New(slog.DiscardHandler)

// unprovoked are the documented answers that are not waited for here, of one operation or
// of all, with the reason.
var unprovoked = map[string]string{
	"408 request_timeout":           "the body has ten seconds, and package httpauth's own tests wait for them",
	"getJWKS 500 internal_error":    "it asks nothing that can fail",
	"getOpenAPI 500 internal_error": "it asks nothing that can fail",
	"confirmEmail 429 rate_limited": "it takes sixty changes of a profile at once",
	"invite 409 invitation_limit":   "it takes a hundred invitations, of which twenty are mailed in an hour; package auth's own tests make them",
	"resetPassword 503 overloaded":  "strangers take none of the places of an owner with a token; package auth's own tests take them all",
}

// A survey is which answers of the document have been seen.
type survey struct {
	*service
	seen map[string]map[string]bool // by operationId: "200", "401 invalid_token"
}

// try sends r, holds the answer against the document and notes it.
func (s *survey) try(address string, r *exchange) {
	s.t.Helper()
	s.send(address, r)
	s.note(r)
}

func (s *survey) note(r *exchange) {
	if s.seen[r.id] == nil {
		s.seen[r.id] = map[string]bool{}
	}
	s.seen[r.id][strings.TrimSpace(fmt.Sprintf("%d %s", r.status, r.code()))] = true
}

// Every answer that the document has is provoked, of every operation, and each is as
// the document says. What is documented and cannot be provoked is in unprovoked.
func TestEveryAnswerIsAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	s := &survey{newService(t), map[string]map[string]bool{}}
	for _, id := range s.document.operations() {
		r := s.prepare(id)
		s.try(s.url, r)
		if r.status >= 300 {
			t.Errorf("%s: what granted has is refused: %v", id, r)
		}
		if tag := r.header.Get("ETag"); tag != "" {
			r = s.prepare(id)
			r.head.Set("If-None-Match", tag)
			s.try(s.url, r)
		}
	}
	s.withAnOddQuery()
	s.withOtherCredentials()
	s.withOtherBodies()
	s.withOtherState()
	s.tooOften()
	s.outOfOrder()
	s.overloaded()

	for _, id := range s.document.operations() {
		for status := range s.document.calls[id].Operation.Responses.Map() {
			want := []string{status}
			if listed := s.document.refusals(id); len(status) == 3 && status >= "400" {
				want = nil
				for n, codes := range listed {
					if fmt.Sprint(n) == status {
						for _, code := range codes {
							want = append(want, status+" "+code)
						}
					}
				}
				if want == nil {
					t.Errorf("%s: %s has no example that says which code it has", id, status)
				}
			}
			for _, answer := range want {
				if unprovoked[answer] == "" && unprovoked[id+" "+answer] == "" && !s.seen[id][answer] {
					t.Errorf("%s: %s is documented and was not seen; seen were %v", id, answer, slices.Sorted(maps.Keys(s.seen[id])))
				}
			}
		}
	}
}

// withAnOddQuery calls with a query in which an escape is not one. Nothing reads it.
func (s *survey) withAnOddQuery() {
	for _, id := range s.document.operations() {
		r := s.prepare(id)
		r.path += "?after=%zz"
		s.try(s.url, r)
	}
}

// withOtherCredentials calls with none, with wrong ones, with two and with those of
// a user who may not.
func (s *survey) withOtherCredentials() {
	bound := s.with(auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: auth.Everyone}})
	for _, id := range s.document.operations() {
		if !s.document.needsCredential(id) {
			continue
		}
		r := s.prepare(id)
		_, key := s.newAPIKey(r.who)
		r.head.Del("Authorization")
		s.try(s.url, r)
		r.bearer("nonsense")
		s.try(s.url, r)
		r.bearer(r.who.token)
		r.head.Set("X-API-Key", key)
		s.try(s.url, r)
		r.head.Del("X-API-Key")
		r.bearer(key)
		s.try(s.url, r)
		unenrolled := s.newAccount()
		_, key = s.newAPIKey(unenrolled)
		r.bearer(key)
		s.try(bound, r)
		r.bearer(unenrolled.token)
		s.try(bound, r)
	}
}

// withOtherBodies sends bodies that are too long, of another type, broken off or not
// JSON.
func (s *survey) withOtherBodies() {
	for _, id := range s.document.operations() {
		if !s.document.takesBody(id) {
			continue
		}
		r := s.prepare(id)
		right := r.body
		r.head.Set("Content-Type", "text/plain")
		s.try(s.url, r)
		r.head.Set("Content-Type", "application/json")
		r.body = []byte("{")
		s.try(s.url, r)
		r.body = []byte(`{"email": 1, "password": 1, "code": 1, "name": 1, "full_name": 1, "current_password": 1, "temp_token": 1}`)
		s.try(s.url, r)
		r.body = []byte(`{"padding": "` + strings.Repeat("x", 64<<10) + `"}`)
		s.try(s.url, r)
		r.body = right
		s.breakOff(r)
	}
}

// breakOff announces the body of r and sends half of it.
func (s *survey) breakOff(r *exchange) {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "%s %s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.method, mount, r.path, conn.RemoteAddr(), len(r.body))
	_ = r.head.Write(conn)
	fmt.Fprintf(conn, "\r\n%s", r.body[:len(r.body)/2])
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatalf("%s: %v", r.id, err)
	}
	s.receive(r, response)
	s.note(r)
}

// withOtherState calls what the state of the account does not allow.
func (s *survey) withOtherState() {
	// No login is fresh here, and a second key is one too many.
	stale := s.with(auth.Config{FreshLogin: -1, APIKeysNeedFreshLogin: true, MaxAPIKeys: 1})
	wrong := members{"password": "Wrong" + password}
	for _, c := range []struct {
		id, code string
		address  string
		change   func(*exchange)
	}{
		{"register", "weak_password", s.url, func(r *exchange) { r.edit(members{"password": "password123"}) }},
		{"register", "email_taken", s.url, func(r *exchange) { r.edit(members{"email": s.newAccount().email}) }},
		{"login", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"login", "", s.url, func(r *exchange) { r.edit(members{"email": s.twoFactor().email}) }},
		{"verifyTwoFactor", "invalid_token", s.url, func(r *exchange) { r.edit(members{"temp_token": "temp_" + strings.Repeat("1", 40)}) }},
		{"verifyTwoFactor", "invalid_code", s.url, func(r *exchange) { r.edit(members{"code": s.otherCode(r.who)}) }},
		{"enableTwoFactor", "invalid_credentials", stale, func(r *exchange) { r.edit(wrong) }},
		{"enableTwoFactor", "reauthentication_required", stale, func(r *exchange) { r.body = nil }},
		{"enableTwoFactor", "", s.url, func(r *exchange) { r.body = nil }},
		{"enableTwoFactor", "two_factor_already_enabled", s.url, func(r *exchange) { s.as(r, s.twoFactor()) }},
		{"confirmTwoFactor", "two_factor_not_enabled", s.url, func(r *exchange) { s.as(r, s.newAccount()) }},
		{"confirmTwoFactor", "invalid_code", s.url, func(r *exchange) { r.edit(members{"code": s.otherCode(r.who)}) }},
		{"confirmTwoFactor", "two_factor_already_enabled", s.url, func(r *exchange) { s.as(r, s.twoFactor()) }},
		{"getTwoFactor", "", s.url, func(r *exchange) { s.as(r, s.newAccount()) }},
		{"replaceBackupCodes", "two_factor_not_enabled", s.url, func(r *exchange) { s.as(r, s.newAccount()) }},
		{"replaceBackupCodes", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"replaceBackupCodes", "reauthentication_required", stale, func(r *exchange) { s.as(r, s.withoutPassword()); r.edit(members{"password": ""}) }},
		{"disableTwoFactor", "two_factor_not_enabled", s.url, func(r *exchange) { s.as(r, s.newAccount()) }},
		{"disableTwoFactor", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"disableTwoFactor", "reauthentication_required", stale, func(r *exchange) { s.as(r, s.withoutPassword()); r.edit(members{"password": ""}) }},
		{"createAPIKey", "", s.url, func(r *exchange) { r.set(members{"name": "Everything"}) }},
		{"createAPIKey", "invalid_credentials", stale, func(r *exchange) { r.edit(wrong) }},
		{"createAPIKey", "reauthentication_required", stale, func(r *exchange) { r.set(members{"name": "Everything"}) }},
		{"createAPIKey", "api_key_limit", stale, func(r *exchange) { s.newAPIKey(r.who) }},
		{"listAPIKeys", "", s.url, func(r *exchange) { s.usedKey(r.who) }},
		{"getAPIKeyUsage", "", s.url, func(r *exchange) {
			id, key := s.newAPIKey(r.who)
			s.use(key)
			r.path, r.params["key_id"] = "/api-keys/"+id+"/usage", id
		}},
		{"getAPIKeyUsage", "not_found", s.url, func(r *exchange) { r.path = "/api-keys/key_unknown/usage"; r.params["key_id"] = "key_unknown" }},
		{"updateAPIKey", "", s.url, func(r *exchange) { r.set(members{"enabled": false}) }},
		{"updateAPIKey", "invalid_credentials", stale, func(r *exchange) { r.edit(wrong) }},
		{"updateAPIKey", "reauthentication_required", stale, func(r *exchange) { r.set(members{"enabled": true}) }},
		{"updateAPIKey", "not_found", s.url, func(r *exchange) { r.path = "/api-keys/key_unknown"; r.params["key_id"] = "key_unknown" }},
		{"rotateAPIKey", "", s.url, func(r *exchange) { r.body = nil }},
		{"rotateAPIKey", "invalid_credentials", stale, func(r *exchange) { r.edit(wrong) }},
		{"rotateAPIKey", "reauthentication_required", stale, func(r *exchange) { r.set(members{}) }},
		{"rotateAPIKey", "api_key_limit", stale, func(*exchange) {}},
		{"rotateAPIKey", "not_found", s.url, func(r *exchange) { r.path = "/api-keys/key_unknown/rotate"; r.params["key_id"] = "key_unknown" }},
		{"rotateAPIKey", "api_key_not_active", s.url, func(r *exchange) { s.rotate(r.who, r.params["key_id"]) }},
		{"listAPIKeys", "", s.url, func(r *exchange) { id, _ := s.newAPIKey(r.who); s.rotate(r.who, id) }},
		{"getProfile", "", s.url, func(r *exchange) { id, key := s.newAPIKey(r.who); s.rotate(r.who, id); r.bearer(key) }},
		{"revokeAPIKey", "not_found", s.url, func(r *exchange) { r.path = "/api-keys/key_unknown"; r.params["key_id"] = "key_unknown" }},
		{"endSession", "not_found", s.url, func(r *exchange) { r.path = "/sessions/ses_unknown"; r.params["session_id"] = "ses_unknown" }},
		{"getProfile", "", s.url, func(r *exchange) { r.bearer(s.usedKey(r.who)) }},
		{"getProfile", "", s.url, func(r *exchange) { r.head.Set("X-API-Key", s.usedKey(r.who)); r.head.Del("Authorization") }},
		{"updateProfile", "email_taken", s.url, func(r *exchange) { r.edit(members{"email": s.newAccount().email}) }},
		{"updateProfile", "invalid_credentials", stale, func(r *exchange) { r.edit(members{"current_password": "Wrong" + password}) }},
		{"updateProfile", "reauthentication_required", stale, func(r *exchange) { r.set(members{"email": s.newEmail()}) }},
		{"cancelEmailChange", "not_found", s.url, func(r *exchange) { s.as(r, s.newAccount()) }},
		{"confirmEmail", "email_taken", s.url, func(r *exchange) { s.register("moved." + r.who.email) }},
		{"deleteAccount", "last_admin", s.url, func(r *exchange) { s.colleague(r.who) }},
		{"deleteAccount", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"deleteAccount", "reauthentication_required", s.url, func(r *exchange) { r.body = nil }},
		{"listMembers", "invalid_input", s.url, func(r *exchange) { r.path += "?limit=0" }},
		{"updateOrganization", "rate_limited", s.url, func(r *exchange) {
			for range 60 {
				_, _ = s.manager.RenameOrganization(context.Background(), r.who.identity, "Looms")
			}
		}},
		{"updateMember", "last_admin", s.url, func(r *exchange) { s.colleague(r.who); r.edit(members{"role": "member"}) }},
		{"updateMember", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"updateMember", "reauthentication_required", stale, func(r *exchange) { r.set(members{"role": "admin"}) }},
		{"updateMember", "not_found", s.url, func(r *exchange) { r.path = "/organization/members/user_unknown"; r.params["user_id"] = "user_unknown" }},
		{"removeMember", "last_admin", s.url, func(r *exchange) { s.colleague(r.who) }},
		{"removeMember", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"removeMember", "reauthentication_required", stale, func(r *exchange) { r.body = nil }},
		{"removeMember", "not_found", s.url, func(r *exchange) {
			r.path = "/organization/members/user_unknown/remove"
			r.params["user_id"] = "user_unknown"
		}},
		{"invite", "already_member", s.url, func(r *exchange) { r.edit(members{"email": r.who.email}) }},
		{"revokeInvitation", "not_found", s.url, func(r *exchange) {
			r.path = "/organization/invitations/invitation_unknown"
			r.params["invitation_id"] = "invitation_unknown"
		}},
		{"revokeInvitation", "rate_limited", s.url, func(r *exchange) {
			for range 60 {
				_, _ = s.manager.RenameOrganization(context.Background(), r.who.identity, "Looms")
			}
		}},
		{"invite", "rate_limited", s.url, func(r *exchange) {
			for range 3 {
				s.invited(r.who, s.newEmail())
			}
		}},
		{"acceptInvitation", "invalid_one_time_token", s.url, func(r *exchange) { r.edit(members{"token": "inv_1"}) }},
		{"acceptInvitation", "organization_not_empty", s.url, func(r *exchange) { s.colleague(r.who) }},
		{"acceptInvitation", "reauthentication_required", stale, func(r *exchange) {
			var body members
			_ = json.Unmarshal(r.body, &body)
			r.set(members{"token": body["token"]})
		}},
		{"acceptInvitation", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"acceptInvitation", "rate_limited", s.url, func(r *exchange) {
			for range 60 {
				_, _ = s.manager.RenameOrganization(context.Background(), r.who.identity, "Looms")
			}
		}},
		{"register", "invalid_one_time_token", s.url, func(r *exchange) {
			r.set(members{"email": s.newEmail(), "password": password, "full_name": "Ada Lovelace", "invitation_token": "inv_1"})
		}},
		{"leaveOrganization", "last_admin", s.url, func(r *exchange) { s.colleague(r.who) }},
		{"leaveOrganization", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"leaveOrganization", "reauthentication_required", stale, func(r *exchange) { r.body = nil }},
		{"exportAccount", "invalid_credentials", s.url, func(r *exchange) { r.edit(wrong) }},
		{"exportAccount", "reauthentication_required", stale, func(r *exchange) { r.body = nil }},
		{"removeTrustedDevice", "not_found", s.url, func(r *exchange) {
			r.path = "/trusted-devices/device_unknown"
			r.params["device_id"] = "device_unknown"
		}},
		{"verifyEmail", "invalid_one_time_token", s.url, func(r *exchange) { r.edit(members{"token": "vrf_1"}) }},
		{"resetPassword", "weak_password", s.url, func(r *exchange) { r.edit(members{"new_password": "password123"}) }},
		{"resetPassword", "invalid_one_time_token", s.url, func(r *exchange) { r.edit(members{"token": "rst_1"}) }},
		{"changePassword", "weak_password", s.url, func(r *exchange) { r.edit(members{"new_password": "password123"}) }},
		{"changePassword", "reauthentication_required", stale, func(r *exchange) { s.as(r, s.withoutPassword()); r.edit(members{"current_password": ""}) }},
		{"changePassword", "invalid_credentials", s.url, func(r *exchange) { r.edit(members{"current_password": "Wrong" + password}) }},
	} {
		r := s.prepare(c.id)
		c.change(r)
		s.try(c.address, r)
		if r.code() != c.code {
			s.t.Errorf("%s: not refused as %q: %v", c.id, c.code, r)
		}
	}
}

func (s *survey) register(email string) {
	if _, err := s.manager.Register(context.Background(), auth.Registration{Email: email, Password: password, FullName: "Eve"}); err != nil {
		s.t.Fatal(err)
	}
}

// colleague adds a member to the organization of an account.
func (s *survey) colleague(a *account) {
	u := auth.NewUser{Email: s.newEmail(), Password: password, FullName: "Eve", OrganizationID: a.identity.User.OrganizationID, Role: "member"}
	if _, err := s.manager.CreateUser(context.Background(), u); err != nil {
		s.t.Fatal(err)
	}
}

// otherCode is a code of six digits that is not right, now or in the steps next to it.
func (s *survey) otherCode(a *account) string {
	taken := s.code(a)
	for digit := '0'; ; digit++ {
		if code := strings.Repeat(string(digit), 6); code[:3] != taken[:3] {
			return code
		}
	}
}

func (s *survey) usedKey(a *account) (key string) {
	_, key = s.newAPIKey(a)
	s.use(key)
	return key
}

func (s *survey) use(key string) {
	if _, err := s.manager.VerifyAPIKey(context.Background(), auth.Secret(key)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *survey) rotate(a *account, keyID string) {
	if _, _, err := s.manager.RotateAPIKey(context.Background(), a.identity, keyID, time.Hour, "", ""); err != nil {
		s.t.Fatal(err)
	}
}

// tooOften repeats calls that count, where one attempt is allowed.
func (s *survey) tooOften() {
	one := store.Limit{Burst: 1, Every: time.Hour}
	tight := s.with(auth.Config{
		FreshLogin: -1, APIKeysNeedFreshLogin: true,
		Limits: auth.Limits{
			LoginByAddress: one, LoginByAccountAddress: one, LoginByAccount: one,
			RegisterByAddress: one, CodeByAccount: one, APIKeyByAccount: one, MailByAddress: one,
		},
	})
	for _, id := range s.document.operations() {
		if !has(s.document.refusals(id), "rate_limited") {
			continue
		}
		r := s.prepare(id)
		if id == "confirmTwoFactor" || id == "verifyTwoFactor" {
			r.edit(members{"code": s.otherCode(r.who)})
		}
		for range 5 {
			if s.try(tight, r); r.code() == "rate_limited" {
				break
			}
			if id != "register" && id != "createAPIKey" && s.document.takesBody(id) {
				r.edit(spoilt(s.document, id))
			}
		}
	}
}

// spoilt are wrong passwords for every member that takes one.
func spoilt(d *description, id string) members {
	wrong := members{}
	schema := d.calls[id].Operation.RequestBody.Value.Content.Get("application/json").Schema.Value
	for _, name := range []string{"password", "current_password"} {
		if schema.Properties[name] != nil {
			wrong[name] = "Wrong" + password
		}
	}
	return wrong
}

// outOfOrder calls while the store fails, and while it panics. It does so in requests only: what
// the Manager does by itself would end the process.
func (s *survey) outOfOrder() {
	fails := func(context.Context) error { return errStore }
	panics := func(ctx context.Context) error {
		if ctx.Value(http.ServerContextKey) != nil {
			panic("store: page 7 is damaged")
		}
		return errStore
	}
	for _, id := range s.document.operations() {
		for _, fault := range []func(context.Context) error{fails, panics} {
			r := s.prepare(id)
			s.store.breakWith(fault)
			s.try(s.url, r)
			s.store.breakWith(nil)
		}
	}
}

// overloaded calls while the only place to hash passwords is taken.
func (s *survey) overloaded() {
	prepared := map[string]*exchange{}
	for _, id := range s.document.operations() {
		if has(s.document.refusals(id), "overloaded") {
			prepared[id] = s.prepare(id)
		}
	}
	cfg := auth.Config{
		FreshLogin: -1, APIKeysNeedFreshLogin: true,
		PasswordHash: auth.HashParams{Memory: 64 << 10, Time: 2, Threads: 1}, HashSlots: 1, HashQueue: -1,
	}
	busy := s.configured(cfg).Manager
	address := s.serve(busy, mount)
	var over atomic.Bool
	var strangers sync.WaitGroup
	for i := range 2 {
		strangers.Go(func() {
			for n := 0; !over.Load(); n++ {
				_, _ = busy.Login(context.Background(), fmt.Sprintf("stranger%d.%d@example.com", i, n), password)
			}
		})
	}
	defer strangers.Wait()
	defer over.Store(true)
	for id, r := range prepared {
		for range 50 { // once is enough but where a call finds the place free, between two strangers
			if s.try(address, r); r.code() == "overloaded" {
				break
			}
			r = s.prepare(id)
		}
	}
}
