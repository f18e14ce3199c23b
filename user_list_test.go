package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// list returns the ids of all pages, each once.
func list(t *testing.T, m *auth.Manager, q auth.UserQuery) (ids []string) {
	t.Helper()
	for pages := 0; ; pages++ {
		page, err := m.Users(t.Context(), q)
		if err != nil || pages > 1000 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		if q.After = page.Next; q.After == "" {
			slices.Sort(ids)
			return slices.Compact(ids)
		}
	}
}

func TestEveryUserAndOrganizationIsListed(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		auth.AwaitBackground(h.Manager)
		ann, bob := h.Register(), h.Register()
		disabled, deleted := disabledAndDeleted(t, h)
		var want, members []string
		for _, u := range []*authtest.User{ann, bob, disabled} {
			want = append(want, u.ID)
		}
		for i := range 5 {
			u := mustJoin(t, h, ann.OrganizationID, emailOf("member", i), "member")
			members = append(members, u.ID)
		}
		gone := mustJoin(t, h, ann.OrganizationID, "gone@example.com", "member")
		if err := h.DeleteUser(t.Context(), gone.ID); err != nil {
			t.Fatal(err)
		}
		want, members = append(want, members...), append(members, ann.ID)
		slices.Sort(want)
		slices.Sort(members)
		for _, limit := range []int{0, 1, 3, 200} {
			if got := list(t, h.Manager, auth.UserQuery{Limit: limit}); !slices.Equal(got, want) {
				t.Errorf("limit %d: %v, want %v", limit, got, want)
			}
			if got := list(t, h.Manager, auth.UserQuery{Limit: limit, Organization: ann.OrganizationID}); !slices.Equal(got, members) {
				t.Errorf("members, limit %d: %v, want %v", limit, got, members)
			}
		}
		one, err := h.Users(t.Context(), auth.UserQuery{Email: strings.ToUpper(ann.Email)})
		if err != nil || len(one.Users) != 1 || one.Next != "" {
			t.Fatalf("by address: %+v, %v", one, err)
		}
		if u, err := h.User(t.Context(), ann.ID); err != nil || fmt.Sprint(one.Users[0]) != fmt.Sprint(u) {
			t.Errorf("by address: %+v, want %+v", one.Users[0], u)
		}
		for name, q := range map[string]auth.UserQuery{
			"another organization": {Email: ann.Email, Organization: bob.OrganizationID}, "nobody": {Email: "x@example.com"},
			"no address": {Email: "x"}, "a deleted user": {Email: deleted.Email},
		} {
			if page, err := h.Users(t.Context(), q); err != nil || len(page.Users) != 0 || page.Next != "" {
				t.Errorf("%s: %+v, %v", name, page, err)
			}
		}

		kept, err := h.CreateOrganization(t.Context(), "Kept")
		if err != nil {
			t.Fatal(err)
		}
		organizations := map[string]bool{ann.OrganizationID: false, bob.OrganizationID: false, disabled.OrganizationID: false, kept.ID: false}
		for q := (auth.OrganizationQuery{Limit: 1}); ; {
			page, err := h.Organizations(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, org := range page.Organizations {
				if same, err := h.Organization(t.Context(), org.ID); err != nil || same != org {
					t.Errorf("%+v is listed, and read as %+v, %v", org, same, err)
				}
				organizations[org.ID] = true
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if slices.Contains(slices.Collect(maps.Values(organizations)), false) || len(organizations) != 4 {
			t.Errorf("listed: %v", organizations)
		}
	})
}

func TestAnOrganizationWhoseDeletionHasBegunIsNotListed(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	auth.AwaitBackground(h.Manager)
	org := mustFound(t, h, "Engines")
	mustJoin(t, h, org.ID, "ann@example.com", "admin")
	tap := newTapStore(h.Store)
	cutOff := authtest.With(t, tap, auth.Config{})
	tap.tap(func(_ context.Context, c storeCall) error {
		if c.kind == "List" { // of the members, when the organization is ended
			return errOutage
		}
		return nil
	}, nil)
	if err := cutOff.DeleteOrganization(t.Context(), org.ID); !errors.Is(err, auth.ErrUnavailable) {
		t.Fatalf("the deletion is not cut off: %v", err)
	}
	if page, err := h.Organizations(t.Context(), auth.OrganizationQuery{}); err != nil || len(page.Organizations) != 0 {
		t.Errorf("listed: %+v, %v", page.Organizations, err)
	}
	if page, err := h.Users(t.Context(), auth.UserQuery{}); err != nil || len(page.Users) != 1 {
		t.Errorf("its user, who is still there: %+v, %v", page.Users, err)
	}
}

// AD-2.
func TestTheCursorOfAListIsGoodForThatListAlone(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	auth.AwaitBackground(h.Manager)
	ann, bob := h.Register(), h.Register()
	for i := range 3 {
		mustJoin(t, h, ann.OrganizationID, emailOf("member", i), "member")
	}
	next := func(m *auth.Manager, q auth.UserQuery) string {
		t.Helper()
		page, err := m.Users(t.Context(), q)
		if err != nil || page.Next == "" || strings.Contains(page.Next, ann.ID[5:]) {
			t.Fatalf("%q, %v", page.Next, err)
		}
		return page.Next
	}
	all, members := next(h.Manager, auth.UserQuery{Limit: 1}), next(h.Manager, auth.UserQuery{Limit: 1, Organization: ann.OrganizationID})
	for name, q := range map[string]auth.UserQuery{
		"forged": {After: "x"}, "of members": {After: members}, "of all, for members": {After: all, Organization: ann.OrganizationID},
		"of another organization": {After: members, Organization: bob.OrganizationID}, "for an address": {After: all, Email: ann.Email},
		"limit -1": {Limit: -1}, "limit 201": {Limit: 201},
	} {
		if _, err := h.Users(t.Context(), q); !errors.Is(err, auth.ErrInvalidInput) {
			t.Errorf("%s: %v, want ErrInvalidInput", name, err)
		}
	}
	if _, err := h.Organizations(t.Context(), auth.OrganizationQuery{After: all}); !errors.Is(err, auth.ErrInvalidInput) {
		t.Errorf("of users, for organizations: %v", err)
	}
	if _, err := h.Organizations(t.Context(), auth.OrganizationQuery{Limit: 201}); !errors.Is(err, auth.ErrInvalidInput) {
		t.Errorf("limit 201: %v", err)
	}
	restarted := twin(t, h, auth.Config{})
	if _, err := restarted.Users(t.Context(), auth.UserQuery{After: all}); err != auth.ErrCursorGone {
		t.Errorf("after a restart: %v, want ErrCursorGone", err)
	}
	if _, err := restarted.Users(t.Context(), auth.UserQuery{After: members, Organization: ann.OrganizationID}); err != nil {
		t.Errorf("members, after a restart: %v", err)
	}
	if _, err := h.Users(t.Context(), auth.UserQuery{Organization: "org_x"}); err != auth.ErrNotFound {
		t.Errorf("no organization: %v", err)
	}
}

// A plain store is no Walker.
type plainStore struct{ store.Store }

// A reshaped store is one whose places are void.
type reshaped struct{ store.Walker }

func (s reshaped) Walk(ctx context.Context, after string) (store.Page, error) {
	if after != "" {
		return store.Page{}, fmt.Errorf("%w: moved", store.ErrInvalid)
	}
	return s.Walker.Walk(ctx, after)
}

func TestAStoreThatCannotBeWalkedListsMembersOnly(t *testing.T) {
	t.Parallel()
	h := authtest.With(t, plainStore{memstore.New()}, auth.Config{})
	ann := h.Register()
	if _, err := h.Users(t.Context(), auth.UserQuery{}); err != auth.ErrUnsupported {
		t.Errorf("all: %v, want ErrUnsupported", err)
	}
	if _, err := h.Organizations(t.Context(), auth.OrganizationQuery{}); err != auth.ErrUnsupported {
		t.Errorf("organizations: %v, want ErrUnsupported", err)
	}
	if got := list(t, h.Manager, auth.UserQuery{Organization: ann.OrganizationID}); !slices.Equal(got, []string{ann.ID}) {
		t.Errorf("members: %v", got)
	}
	other := authtest.With(t, reshaped{memstore.New()}, auth.Config{})
	if _, err := other.Users(t.Context(), auth.UserQuery{}); err != auth.ErrCursorGone {
		t.Errorf("a store that has changed its shape: %v, want ErrCursorGone", err)
	}
}

// An account whose record is damaged is one that the operator looks for.
func TestADamagedAccountIsListed(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	ann := h.Register()
	if err := h.Store.Commit(t.Context(), store.Put(auth.AccountKey(ann.ID), []byte("damaged"))); err != nil {
		t.Fatal(err)
	}
	page, err := h.Users(t.Context(), auth.UserQuery{})
	if err != nil || len(page.Users) != 1 || fmt.Sprint(page.Users[0]) != fmt.Sprint(auth.User{ID: ann.ID}) {
		t.Errorf("%+v, %v", page, err)
	}
}

// AD-3. In full on memory; other stores have fewer, since they are slow to fill.
func TestAListMissesNobodyWhoWasThereThroughout(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		n, changed := 1_000, 50
		_, memory := s.(*memstore.Store)
		if memory && !testing.Short() {
			n, changed = 100_000, 1_000
		}
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		auth.AwaitBackground(h.Manager)
		org := h.Register().OrganizationID
		there := map[string]bool{}
		write := func(n int) []string {
			ids, err := auth.WriteAccounts(t.Context(), h.Manager, n)
			if err != nil {
				t.Fatal(err)
			}
			return ids
		}
		for _, id := range write(n) {
			there[id] = true
		}
		leaving := write(changed)
		q := auth.UserQuery{Limit: 200}
		pages := (n + changed) / q.Limit
		for i := 0; ; i++ {
			page, err := h.Users(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range page.Users {
				delete(there, u.ID)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
			for range (changed + pages - 1) / pages { // one is made and one deleted, between the pages
				if len(leaving) == 0 {
					break
				}
				if _, err := h.CreateUser(t.Context(), auth.NewUser{Email: fmt.Sprintf("new%d@example.com", len(leaving)), FullName: "New", OrganizationID: org, Role: "member"}); err != nil {
					t.Fatal(err)
				}
				if err := h.DeleteUser(t.Context(), leaving[0]); err != nil {
					t.Fatal(err)
				}
				leaving = leaving[1:]
			}
		}
		if len(there) > 0 || len(leaving) == changed || memory && len(leaving) > 0 {
			t.Errorf("%d are missing of %d; %d were not deleted", len(there), n, len(leaving))
		}
	})
}

// A page of the list takes the same memory, however many accounts there are.
func TestAPageOfTheListTakesConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it writes thousands of accounts, and counts bytes")
	}
	s, err := boltstore.OpenOrCreate(filepath.Join(t.TempDir(), "auth.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h := authtest.With(t, s, auth.Config{})
	auth.AwaitBackground(h.Manager)
	used := func(more int) (most uint64) {
		if _, err := auth.WriteAccounts(t.Context(), h.Manager, more); err != nil {
			t.Fatal(err)
		}
		q := auth.UserQuery{}
		for range 10 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			page, err := h.Users(t.Context(), q)
			runtime.ReadMemStats(&after)
			if err != nil || len(page.Users) != 50 {
				t.Fatalf("%d users, %v", len(page.Users), err)
			}
			most, q.After = max(most, after.TotalAlloc-before.TotalAlloc), page.Next
		}
		return most
	}
	few := used(1_500)
	many := used(6_000)
	if t.Logf("%d bytes of 1,500 accounts, %d of 7,500", few, many); many > few*5/4 || many > 2<<20 {
		t.Error("a page of more accounts takes more memory")
	}
}
