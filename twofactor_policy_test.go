package auth_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// bound is a policy for the users with this role, which a test gives and takes.
func bound(u auth.User) bool { return u.Role == "bound" }

func bind(t *testing.T, m *auth.Manager, u *authtest.User) {
	t.Helper()
	if err := m.SetRole(t.Context(), u.ID, "bound"); err != nil {
		t.Fatal(err)
	}
}

// A sessionCall is a method that acts for a session, made once with what it needs to
// succeed.
type sessionCall struct {
	enrols bool // what a session may do that can do nothing else
	call   func(t *testing.T, w *policyWorld) error
}

// A policyWorld is a user without a second factor, with a session and a key.
type policyWorld struct {
	h     *authtest.Harness
	user  *authtest.User
	id    auth.Identity
	key   string
	keyID string
}

// pendingCode is the code of an enrolment that waits to be confirmed.
func (w *policyWorld) pendingCode(t *testing.T) auth.Secret {
	t.Helper()
	return codeAt(enrol(t, w.h, w.id), w.h.Clock.Now())
}

func newPolicyWorld(t *testing.T, h *authtest.Harness) *policyWorld {
	t.Helper()
	w := &policyWorld{h: h, user: h.Register()}
	w.id = w.user.Identity()
	k, key, err := h.CreateAPIKey(t.Context(), w.id, auth.NewAPIKey{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	w.key, w.keyID = string(key), k.ID
	return w
}

// keys is how many API keys the user has.
func (w *policyWorld) keys(t *testing.T) int {
	t.Helper()
	keys, err := w.h.UserAPIKeys(t.Context(), w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

// asAdmin drops the refusal that a user without the role of an admin gets, as far as that user can get.
func asAdmin(err error) error {
	if errors.Is(err, auth.ErrForbidden) {
		return nil
	}
	return err
}

// sessionCalls are all of them, by name.
var sessionCalls = map[string]sessionCall{
	"EnableTwoFactor": {true, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.EnableTwoFactor(context.Background(), w.id, authtest.Password)
		return err
	}},
	"ConfirmTwoFactor": {true, func(t *testing.T, w *policyWorld) error {
		return w.h.ConfirmTwoFactor(context.Background(), w.id, w.pendingCode(t))
	}},
	"Logout": {true, func(_ *testing.T, w *policyWorld) error { return w.h.Logout(context.Background(), w.id) }},
	"LogoutSession": {false, func(_ *testing.T, w *policyWorld) error {
		err := w.h.LogoutSession(context.Background(), w.id, "ses_"+strings.Repeat("0", 26))
		if errors.Is(err, auth.ErrNotFound) { // as far as a user with one session can get
			return nil
		}
		return err
	}},
	"RemoveTrustedDevice": {false, func(_ *testing.T, w *policyWorld) error {
		err := w.h.RemoveTrustedDevice(context.Background(), w.id, "device_"+strings.Repeat("0", 22))
		if errors.Is(err, auth.ErrNotFound) { // as far as a user without one can get
			return nil
		}
		return err
	}},
	"Members": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.Members(context.Background(), w.id, auth.MemberQuery{})
		return err
	}},
	"SetMemberRole": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.SetMemberRole(context.Background(), w.id, w.id.User.ID, "member", "", "")
		return asAdmin(err)
	}},
	"RemoveMember": {false, func(_ *testing.T, w *policyWorld) error {
		return asAdmin(w.h.RemoveMember(context.Background(), w.id, w.id.User.ID, "", ""))
	}},
	"LeaveOrganization": {false, func(_ *testing.T, w *policyWorld) error {
		return w.h.LeaveOrganization(context.Background(), w.id, "", "")
	}},
	"Invite": {false, func(_ *testing.T, w *policyWorld) error {
		_, _, err := w.h.Invite(context.Background(), w.id, auth.NewInvitation{Email: "guest@example.com", Role: "member"})
		return asAdmin(err)
	}},
	"Invitations": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.Invitations(context.Background(), w.id)
		return asAdmin(err)
	}},
	"RevokeInvitation": {false, func(_ *testing.T, w *policyWorld) error {
		err := asAdmin(w.h.RevokeInvitation(context.Background(), w.id, "invitation_x"))
		if errors.Is(err, auth.ErrNotFound) { // as far as an admin without one can get
			return nil
		}
		return err
	}},
	"AcceptInvitation": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.AcceptInvitation(context.Background(), w.id, "inv_x", "", "")
		if errors.Is(err, auth.ErrInvalidOneTimeToken) { // as far as a user without one can get
			return nil
		}
		return err
	}},
	"RenameOrganization": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.RenameOrganization(context.Background(), w.id, "Looms")
		return asAdmin(err)
	}},
	"LogoutOthers": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.LogoutOthers(context.Background(), w.id)
		return err
	}},
	"DisableTwoFactor": {false, func(_ *testing.T, w *policyWorld) error {
		err := w.h.DisableTwoFactor(context.Background(), w.id, authtest.Password, "123456")
		if errors.Is(err, auth.ErrTwoFactorNotEnabled) { // as far as a user without one can get
			return nil
		}
		return err
	}},
	"ReplaceBackupCodes": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.ReplaceBackupCodes(context.Background(), w.id, authtest.Password, "123456")
		if errors.Is(err, auth.ErrTwoFactorNotEnabled) {
			return nil
		}
		return err
	}},
	"ChangePassword": {false, func(_ *testing.T, w *policyWorld) error {
		return w.h.ChangePassword(context.Background(), w.id, authtest.Password, otherPassword)
	}},
	"DeleteAccount": {false, func(_ *testing.T, w *policyWorld) error {
		return w.h.DeleteAccount(context.Background(), w.id, authtest.Password, "")
	}},
	"ExportAccount": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.ExportAccount(context.Background(), w.id, "", "")
		return err
	}},
	"ConfirmEmail": {false, func(_ *testing.T, w *policyWorld) error {
		err := w.h.ConfirmEmail(context.Background(), w.id, "chg_x")
		if errors.Is(err, auth.ErrInvalidOneTimeToken) { // as far as a user without one can get
			return nil
		}
		return err
	}},
	"CancelEmailChange": {false, func(_ *testing.T, w *policyWorld) error {
		err := w.h.CancelEmailChange(context.Background(), w.id)
		if errors.Is(err, auth.ErrNotFound) {
			return nil
		}
		return err
	}},
	"UpdateProfile": {false, func(_ *testing.T, w *policyWorld) error {
		name, email := "Ada King", "moved+"+w.user.Email
		_, err := w.h.UpdateProfile(context.Background(), w.id, auth.ProfileChange{FullName: &name, Email: &email})
		return err
	}},
	"CreateAPIKey": {false, func(_ *testing.T, w *policyWorld) error {
		_, _, err := w.h.CreateAPIKey(context.Background(), w.id, auth.NewAPIKey{Name: "another"})
		return err
	}},
	"RotateAPIKey": {false, func(_ *testing.T, w *policyWorld) error {
		_, _, err := w.h.RotateAPIKey(context.Background(), w.id, w.keyID, time.Hour, "", "")
		return err
	}},
	"UpdateAPIKey": {false, func(_ *testing.T, w *policyWorld) error {
		on := true
		_, err := w.h.UpdateAPIKey(context.Background(), w.id, w.keyID, auth.APIKeyChange{Enabled: &on})
		return err
	}},
	"APIKeyUsage": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.APIKeyUsage(context.Background(), w.id, w.keyID)
		return err
	}},
	"APIKeys": {false, func(_ *testing.T, w *policyWorld) error {
		_, err := w.h.APIKeys(context.Background(), w.id)
		return err
	}},
	"RevokeAPIKey": {false, func(_ *testing.T, w *policyWorld) error { return w.h.RevokeAPIKey(context.Background(), w.id, w.keyID) }},
}

// Every method that takes an Identity is in the list above: one that is added is added
// there, and so decided.
func TestThePolicyAppliesToEveryMethodThatActsForASession(t *testing.T) {
	manager, identity := reflect.TypeFor[*auth.Manager](), reflect.TypeFor[auth.Identity]()
	var acting []string
	for i := range manager.NumMethod() {
		method := manager.Method(i)
		for in := range method.Type.NumIn() {
			if method.Type.In(in) == identity && method.Name != "ReportDenied" { // which reads and does nothing
				acting = append(acting, method.Name)
			}
		}
	}
	for _, name := range acting {
		if _, ok := sessionCalls[name]; !ok {
			t.Errorf("%s acts for a session and is not in sessionCalls", name)
		}
	}
	if len(acting) != len(sessionCalls) {
		t.Errorf("%d methods act for a session, %d are listed", len(acting), len(sessionCalls))
	}
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}, UsageInterval: time.Minute})
		auth.AwaitBackground(h.Manager) // before it nobody knows who is the last admin
		for name, c := range sessionCalls {
			free := newPolicyWorld(t, h)
			if err := c.call(t, free); err != nil {
				t.Errorf("%s of a user who is not bound: %v", name, err)
			}
			w := newPolicyWorld(t, h)
			bind(t, h.Manager, w.user)
			before := tap.commits.Load()
			err := c.call(t, w)
			if c.enrols && err != nil || !c.enrols && !errors.Is(err, auth.ErrTwoFactorSetupRequired) {
				t.Errorf("%s of a user who must set up a second factor: %v", name, err)
			}
			if n := tap.commits.Load() - before; !c.enrols && n != 0 {
				t.Errorf("%s was refused and wrote %d times", name, n)
			}
		}
	})
}

func TestABoundUserCanDoNothingButEnrolAndThenEverything(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		policy := auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: auth.Admins}}
		h := authtest.With(t, s, policy)
		other := twin(t, h, auth.Config{TwoFactorPolicy: policy.TwoFactorPolicy})
		ctx := t.Context()
		u := h.Register()
		r, err := h.Login(ctx, u.Email, authtest.Password)
		if err != nil || !r.EnrollmentOnly || r.TwoFactorRequired() {
			t.Fatalf("logged in: %+v, %v", r, err)
		}
		token := r.AccessToken.Token
		check := func(want error) {
			t.Helper()
			for name, verify := range map[string]func(context.Context, auth.Secret) (auth.Identity, error){
				"VerifyAccessToken": h.VerifyAccessToken, "Authenticate": h.Authenticate, "another Manager": other.VerifyAccessToken,
			} {
				id, err := verify(ctx, token)
				if !errors.Is(err, want) || (want != nil) != reflect.DeepEqual(id, auth.Identity{}) {
					t.Errorf("%s: %+v, %v, want %v", name, id, err, want)
				}
			}
			for _, m := range []*authtest.Harness{h, other} {
				if id, err := m.VerifyForEnrollment(ctx, token); err != nil || id.EnrollmentOnly != (want != nil) {
					t.Errorf("for enrolment: %+v, %v", id, err)
				}
			}
		}
		check(auth.ErrTwoFactorSetupRequired)
		fresh, err := h.Refresh(ctx, token)
		if err != nil {
			t.Fatalf("refresh: %v", err)
		}
		token = fresh.Token
		check(auth.ErrTwoFactorSetupRequired)
		id, err := h.VerifyForEnrollment(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		e := enrol(t, h, id)
		check(auth.ErrTwoFactorSetupRequired) // until it is confirmed
		if err := other.ConfirmTwoFactor(ctx, id, codeAt(e, h.Clock.Now())); err != nil {
			t.Fatal(err)
		}
		check(nil)
		if id, err = h.VerifyAccessToken(ctx, token); err != nil || id.EnrollmentOnly || id.MultiFactor() {
			t.Errorf("the session that enrolled: %+v, %v", id, err)
		}
		if _, _, err := h.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "k"}); err != nil {
			t.Errorf("a call of the full session: %v", err)
		}
	})
}

// What the policy asks is asked of the user as of now, by whichever process.
func TestAPolicyFollowsTheUserAtOnceOnEveryManager(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}})
		other := twin(t, h, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}})
		ctx := t.Context()
		w := newPolicyWorld(t, h)
		check := func(when string, want error) {
			t.Helper()
			for _, m := range []*authtest.Harness{h, other} {
				_, session := m.VerifyAccessToken(ctx, auth.Secret(w.user.Token()))
				_, key := m.VerifyAPIKey(ctx, auth.Secret(w.key))
				if !errors.Is(session, want) || !errors.Is(key, want) {
					t.Errorf("%s: session %v, key %v, want %v", when, session, key, want)
				}
			}
		}
		check("at first", nil)
		bind(t, other.Manager, w.user)
		check("with the role", auth.ErrTwoFactorSetupRequired)
		if err := h.SetRole(ctx, w.user.ID, "reader"); err != nil {
			t.Fatal(err)
		}
		check("without the role", nil)
		bind(t, h.Manager, w.user)
		w.user.EnableTwoFactor()
		check("with a second factor", nil)
		if err := other.ResetTwoFactor(ctx, w.user.ID); err != nil {
			t.Fatal(err)
		}
		w.user.Login()
		check("after a reset", auth.ErrTwoFactorSetupRequired)
	})
}

// A key that may not open anything is not used: its owner sees that it stands still.
func TestARefusedKeyIsNotCountedAsUsed(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}})
	w := newPolicyWorld(t, h)
	bind(t, h.Manager, w.user)
	for range 3 {
		if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(w.key)); !errors.Is(err, auth.ErrTwoFactorSetupRequired) {
			t.Fatal(err)
		}
	}
	keys, err := h.UserAPIKeys(t.Context(), w.user.ID)
	if err != nil || keys[0].Uses != 0 {
		t.Errorf("%+v, %v", keys, err)
	}
	if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(w.key[:len(w.key)-1]+"~")); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("what is no key: %v", err)
	}
}

func TestTheReadyMadePoliciesBindTheirUsersOnly(t *testing.T) {
	orgs := []string{"org_1", "org_2"}
	members := auth.MembersOf(orgs...)
	orgs[0] = "org_3"
	for _, tc := range []struct {
		user                      auth.User
		everyone, admins, members bool
	}{
		{auth.User{Role: "admin", OrganizationID: "org_1"}, true, true, true},
		{auth.User{Role: "reader", OrganizationID: "org_2"}, true, false, true},
		{auth.User{Role: "Admin", OrganizationID: "org_3"}, true, false, false},
		{auth.User{}, true, false, false},
	} {
		if auth.Everyone(tc.user) != tc.everyone || auth.Admins(tc.user) != tc.admins || members(tc.user) != tc.members || auth.MembersOf()(tc.user) {
			t.Errorf("of %+v", tc.user)
		}
	}
}

// The status says whom the policy binds, whether they have a second factor or not.
func TestTheStatusSaysWhatThePolicyDemands(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		from := h.Clock.Now().Add(time.Hour).In(time.FixedZone("", 3600))
		state := auth.TwoFactorStatus{}
		holds := func() {
			t.Helper()
			for name, tc := range map[string]struct {
				policy   auth.TwoFactorPolicy
				required bool
				from     time.Time
			}{
				"nobody":           {auth.TwoFactorPolicy{}, false, time.Time{}},
				"another group":    {auth.TwoFactorPolicy{Of: bound, From: from}, false, time.Time{}},
				"now":              {auth.TwoFactorPolicy{Of: auth.Everyone}, true, time.Time{}},
				"from a date on":   {auth.TwoFactorPolicy{Of: auth.Everyone, From: from}, true, from.UTC()},
				"shadow":           {auth.TwoFactorPolicy{Of: auth.Everyone, ReportOnly: true}, false, time.Time{}},
				"shadow of a date": {auth.TwoFactorPolicy{Of: auth.Everyone, From: from, ReportOnly: true}, false, time.Time{}},
			} {
				m := authtest.With(t, s, auth.Config{TwoFactorPolicy: tc.policy, Now: h.Clock.Now})
				want := state
				want.Required, want.RequiredFrom = tc.required, tc.from
				if got, err := m.TwoFactorStatus(t.Context(), u.ID); err != nil || got != want {
					t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
				}
			}
		}
		holds()
		state = auth.TwoFactorStatus{Enabled: true, EnabledAt: h.Clock.Now(), BackupCodesLeft: 10}
		u.EnableTwoFactor()
		holds()
		h.Clock.Advance(2 * time.Hour) // past the date
		holds()
	})
}

// Before its date, and in shadow mode, a policy is an event at each login.
func TestUntilItsDateAndInShadowModeAPolicyOnlyReports(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		clock := authtest.NewClock()
		dated := time.Now() // any: it is set to an hour from the case's beginning
		for name, tc := range map[string]struct {
			policy        auth.TwoFactorPolicy
			before, after string // the events' reasons
		}{
			"nobody":           {auth.TwoFactorPolicy{}, "", ""},
			"another group":    {auth.TwoFactorPolicy{Of: bound}, "", ""},
			"now":              {auth.TwoFactorPolicy{Of: auth.Everyone}, "enrollment_only", "enrollment_only"},
			"from a date on":   {auth.TwoFactorPolicy{Of: auth.Everyone, From: dated}, "grace", "enrollment_only"},
			"shadow":           {auth.TwoFactorPolicy{Of: auth.Everyone, ReportOnly: true}, "report_only", "report_only"},
			"shadow of a date": {auth.TwoFactorPolicy{Of: auth.Everyone, From: dated, ReportOnly: true}, "report_only", "report_only"},
		} {
			from := clock.Now().Add(time.Hour)
			if !tc.policy.From.IsZero() {
				tc.policy.From = from.In(time.FixedZone("", 3600))
			}
			h := authtest.With(t, s, auth.Config{TwoFactorPolicy: tc.policy, Now: clock.Now})
			u, err := signUp(h.Manager, strings.ReplaceAll(name, " ", "-")+"@example.com")
			if err != nil {
				t.Fatal(err)
			}
			want := []string{}
			for _, reason := range []string{tc.before, tc.after} {
				r, err := h.Login(t.Context(), u.Email, authtest.Password)
				if err != nil || r.EnrollmentOnly != (reason == "enrollment_only") {
					t.Errorf("%s: %+v, %v", name, r, err)
				}
				for range 3 { // a check reports nothing
					if _, err := h.VerifyAccessToken(t.Context(), r.AccessToken.Token); errors.Is(err, auth.ErrTwoFactorSetupRequired) != r.EnrollmentOnly {
						t.Errorf("%s: %v", name, err)
					}
				}
				if reason != "" {
					until := ""
					if !tc.policy.From.IsZero() {
						until = from.String()
					}
					want = append(want, fmt.Sprint(reason, until, u.ID, u.OrganizationID, true))
				}
				clock.Advance(time.Hour) // to the very instant
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, e := range h.Events.All() {
				if e.Type == auth.EventTwoFactorDue {
					until := ""
					if !e.Until.IsZero() {
						until = e.Until.String()
					}
					got = append(got, fmt.Sprint(e.Reason, until, e.UserID, e.OrganizationID, e.SessionID != ""))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: events %v, want %v", name, got, want)
			}
		}
	})
}

// A user who is bound changes authenticators by turning one off and setting up the next.
// In between there is nothing but that.
func TestTurningTheFactorOffLeavesABoundUserNothingButTheNext(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}})
		ctx := t.Context()
		w := newPolicyWorld(t, h)
		w.user.EnableTwoFactor()
		bind(t, h.Manager, w.user)
		w.user.Login()
		h.Clock.Advance(step)
		id := w.user.Identity()
		if err := h.DisableTwoFactor(ctx, id, authtest.Password, auth.Secret(w.user.Code())); err != nil {
			t.Fatal(err)
		}
		_, key := h.VerifyAPIKey(ctx, auth.Secret(w.key))
		_, session := h.VerifyAccessToken(ctx, auth.Secret(w.user.Token()))
		if !errors.Is(key, auth.ErrTwoFactorSetupRequired) || !errors.Is(session, auth.ErrTwoFactorSetupRequired) {
			t.Errorf("without a factor: key %v, session %v", key, session)
		}
		w.user.EnableTwoFactor()
		if _, err := h.VerifyAPIKey(ctx, auth.Secret(w.key)); err != nil {
			t.Errorf("with the next: %v", err)
		}
	})
}

// A role that is given, or a factor that is reset, while a call is between its reading
// and its Commit stops the call: nothing is made for a user who is bound by then. What enrols
// goes on.
func TestACallDuringWhichThePolicyBindsMakesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}, UsageInterval: time.Minute, Limits: unlimited()})
		other := authtest.With(t, s, auth.Config{})
		for name, writes := range map[string]string{
			"ChangePassword": "/acct", "UpdateProfile": "/acct", "CreateAPIKey": "/keys", "RotateAPIKey": "/keys",
			"EnableTwoFactor": "/totp", "ConfirmTwoFactor": "/temp",
		} {
			w := newPolicyWorld(t, h)
			first, want := true, auth.ErrTwoFactorSetupRequired
			if sessionCalls[name].enrols {
				want = nil
			}
			tap.tap(func(_ context.Context, c storeCall) error {
				if c.kind == "Commit" && c.names(writes) && first {
					first = false
					return other.SetRole(context.Background(), w.user.ID, "bound")
				}
				return nil
			}, nil)
			err := sessionCalls[name].call(t, w)
			tap.tap(nil, nil)
			if first || !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if n := w.keys(t); n != 1 {
				t.Errorf("%s: %d keys", name, n)
			}
			if _, err := h.Login(t.Context(), w.user.Email, authtest.Password); err != nil {
				t.Errorf("%s: the account is not as it was: %v", name, err)
			}
		}
	})
}

// The date passes before any step of any call: the call is done or refused, and refused
// means that nothing came of it.
func TestTheDateOfAPolicyPassesDuringAnyStepOfACall(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap, clock := newTapStore(s), authtest.NewClock()
		begin := clock.Now()
		h := authtest.With(t, tap, auth.Config{
			Now: clock.Now, Limits: unlimited(), UsageInterval: time.Minute,
			TwoFactorPolicy: auth.TwoFactorPolicy{Of: auth.Everyone, From: begin.Add(time.Second)},
		})
		for name, c := range sessionCalls {
			refused, done := 0, 0
			for at, over := int64(1), false; !over; at++ {
				clock.Advance(begin.Sub(clock.Now()))
				w := newPolicyWorld(t, h)
				var steps atomic.Int64
				tap.tap(func(context.Context, storeCall) error {
					if steps.Add(1) == at {
						clock.Advance(time.Second)
					}
					return nil
				}, nil)
				err := c.call(t, w)
				tap.tap(nil, nil)
				over = steps.Load() < at
				switch {
				case err == nil:
					done++
				case errors.Is(err, auth.ErrTwoFactorSetupRequired) && !c.enrols:
					refused++
					if _, err := h.Login(t.Context(), w.user.Email, authtest.Password); err != nil || w.keys(t) != 1 {
						t.Errorf("%s, step %d: refused, and yet: %v, %d keys", name, at, err, w.keys(t))
					}
				default:
					t.Errorf("%s, step %d: %v", name, at, err)
				}
			}
			if done == 0 || c.enrols != (refused == 0) {
				t.Errorf("%s: done %d times, refused %d times", name, done, refused)
			}
		}
	})
}

// While a second factor is being confirmed, what else the session asks for is refused
// or done, and is there if it was done.
func TestEveryCallDuringAConfirmationIsRefusedOrDone(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}, Limits: unlimited()})
		other := twin(t, h, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound}, Limits: unlimited()})
		for range 5 {
			w := newPolicyWorld(t, h)
			bind(t, h.Manager, w.user)
			const keys = 12
			code := w.pendingCode(t)
			errs := atOnce(t, keys+1, func(i int) error {
				if i == keys {
					return h.ConfirmTwoFactor(t.Context(), w.id, code)
				}
				m := []*authtest.Harness{h, other}[i%2]
				_, _, err := m.CreateAPIKey(t.Context(), w.id, auth.NewAPIKey{Name: "beside"})
				return err
			})
			if err := errs[keys]; err != nil {
				t.Errorf("confirm: %v", err)
			}
			want := 1
			for _, err := range errs[:keys] {
				if err == nil {
					want++
				} else if !errors.Is(err, auth.ErrTwoFactorSetupRequired) {
					t.Errorf("beside a confirmation: %v", err)
				}
			}
			if n := w.keys(t); n != want {
				t.Errorf("%d keys, want %d", n, want)
			}
			if _, err := other.VerifyAccessToken(t.Context(), auth.Secret(w.user.Token())); err != nil {
				t.Errorf("the session that confirmed: %v", err)
			}
		}
	})
}
