package httpauth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// colleagueOf makes a member of the organization of token's user, logged in.
func colleagueOf(f *fixture, token, email, role string) (userID, theirs string) {
	f.t.Helper()
	u, err := f.manager.CreateUser(f.t.Context(), auth.NewUser{
		Email: email, Password: password, FullName: "Eve", Role: role, OrganizationID: f.call("GET", "/me", nil, bearer(token)).want(200).text("organization_id"),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u.ID, f.login(email)
}

// OR-1, OR-4. The life of an organization, as its members see it.
func TestAnAdminManagesTheMembers(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		admin := f.account("ada@example.com")
		bob, bobs := colleagueOf(f, admin, "bob@example.com", "member")
		_, key := f.apiKey(bobs)
		org := f.call("GET", "/organization", nil, bearer(bobs)).want(200)
		if org.body["members"] != 2.0 || org.text("id") == "" || org.text("created_at") == "" {
			t.Errorf("a member reads %s", org.raw)
		}
		for _, c := range []struct {
			token  string
			admins bool
		}{{admin, true}, {bobs, false}} {
			a := f.call("GET", "/organization/members", nil, bearer(c.token)).want(200)
			members := list(a.body["members"])
			if len(members) != 2 || a.body["next"] != nil {
				t.Errorf("%s", a.raw)
			}
			for _, m := range members {
				_, factor := dig(m)["two_factor_enabled"]
				_, state := dig(m)["disabled"]
				if factor != c.admins || state != c.admins || dig(m)["joined_at"] == nil {
					t.Errorf("an admin, %v, sees %v", c.admins, m)
				}
			}
		}
		if a := f.call("PATCH", "/organization", members{"name": "Looms"}, bearer(admin)).want(200); a.text("name") != "Looms" || a.body["members"] != 2.0 {
			t.Errorf("%s", a.raw)
		}
		if name := f.call("GET", "/me", nil, bearer(bobs)).want(200).text("organization_name"); name != "Looms" {
			t.Errorf("the profile names %q", name)
		}
		me := f.call("GET", "/me", nil, bearer(admin)).want(200).text("id")
		f.call("PATCH", "/organization/members/"+me, members{"role": "member"}, bearer(admin)).want(409, httpauth.CodeLastAdmin)
		f.call("POST", "/organization/leave", nil, bearer(admin)).want(409, httpauth.CodeLastAdmin)
		f.call("PATCH", "/organization/members/"+bob, members{"role": "owner"}, bearer(admin)).want(403, httpauth.CodeForbidden)
		f.call("PATCH", "/organization/members/"+bob, members{"role": "a b"}, bearer(admin)).want(400, httpauth.CodeInvalidInput).wantFields("role:invalid_characters")
		if a := f.call("PATCH", "/organization/members/"+bob, members{"role": "admin"}, bearer(admin)).want(200); a.text("role") != "admin" || a.text("id") != bob {
			t.Errorf("%s", a.raw)
		}
		if role := f.call("GET", "/me", nil, bearer(bobs)).want(200).text("role"); role != "admin" {
			t.Errorf("the next request has the role %q", role)
		}
		f.call("POST", "/organization/members/"+bob+"/remove", nil, bearer(admin)).want(200)
		f.call("GET", "/me", nil, bearer(bobs)).want(401, httpauth.CodeInvalidToken)
		f.call("GET", "/me", nil, bearer(key)).want(401, httpauth.CodeInvalidToken)
		f.call("POST", "/refresh", nil, bearer(bobs)).want(401, httpauth.CodeInvalidToken)
		alone := f.call("GET", "/organization", nil, bearer(f.login("bob@example.com"))).want(200)
		if alone.body["members"] != 1.0 || alone.text("name") != "Eve" || alone.text("id") == org.text("id") {
			t.Errorf("who was removed is in %s", alone.raw)
		}
		_, eves := colleagueOf(f, admin, "eve@example.com", "member")
		f.clock.advance(11 * time.Minute)
		f.call("POST", "/organization/leave", nil, bearer(eves)).want(401, httpauth.CodeReauthenticationRequired)
		f.call("POST", "/organization/leave", members{"password": "a wrong one"}, bearer(eves)).want(401, httpauth.CodeInvalidCredentials)
		f.call("POST", "/organization/leave", members{"password": password}, bearer(eves)).want(200)
		if left := f.call("GET", "/organization", nil, bearer(eves)).want(200); left.text("id") == org.text("id") {
			t.Errorf("who has left is in %s", left.raw)
		}
	})
}

// OR-2. The answer does not say whether an id is another's or nobody's.
func TestAForeignMemberIsAnsweredAsAnUnknownOne(t *testing.T) {
	f := newFixture(t, setup{})
	admin, stranger := f.account("ada@example.com"), f.account("eve@example.com")
	id := f.call("GET", "/me", nil, bearer(stranger)).want(200).text("id")
	unknown := "user_" + strings.Repeat("0", 29)
	for _, call := range []func(id string) answer{
		func(id string) answer {
			return f.call("PATCH", "/organization/members/"+id, members{"role": "member"}, bearer(admin))
		},
		func(id string) answer {
			return f.call("POST", "/organization/members/"+id+"/remove", nil, bearer(admin))
		},
	} {
		foreign := call(id).want(404, httpauth.CodeNotFound)
		for _, other := range []string{unknown, "user_1", "org_1"} {
			if a := call(other).want(404, httpauth.CodeNotFound); a.raw != foreign.raw {
				t.Errorf("%s: %s, and a foreign one: %s", other, a.raw, foreign.raw)
			}
		}
	}
}

// Pages miss nobody, and their cursors are good for that list alone.
func TestMembersAreListedByPages(t *testing.T) {
	f := newFixture(t, setup{})
	admin := f.account("ada@example.com")
	organizationID := f.call("GET", "/me", nil, bearer(admin)).text("organization_id")
	for i := range 6 {
		if _, err := f.manager.CreateUser(t.Context(), auth.NewUser{Email: fmt.Sprintf("m%d@example.com", i), FullName: "M", OrganizationID: organizationID, Role: "member"}); err != nil {
			t.Fatal(err)
		}
	}
	seen, path, cursor := map[any]bool{}, "/organization/members?limit=3", ""
	for pages := 0; ; pages++ {
		a := f.call("GET", path+cursor, nil, bearer(admin)).want(200)
		for _, m := range list(a.body["members"]) {
			seen[dig(m)["id"]] = true
		}
		next, more := a.body["next"].(string)
		if !more {
			break
		}
		if cursor = "&after=" + next; pages > 3 {
			t.Fatal("it never ends")
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d members are listed, want 7", len(seen))
	}
	f.call("GET", "/organization/members"+strings.Replace(cursor, "&", "?", 1), nil, bearer(f.account("eve@example.com"))).want(400, httpauth.CodeInvalidInput).wantFields("after:invalid")
	for query, want := range map[string]string{"limit=0": "limit:out_of_range", "limit=201": "limit:out_of_range", "limit=x": "limit:wrong_type", "after=x": "after:invalid"} {
		f.call("GET", "/organization/members?"+query, nil, bearer(admin)).want(400, httpauth.CodeInvalidInput).wantFields(want)
	}
}
