package auth

import (
	"slices"
	"time"
)

// A TwoFactorPolicy says who must have a second factor. A bound user without one can log in, refresh,
// read the profile and the [TwoFactorStatus], set up a second factor and log out. Every other call
// with a session or key of theirs is ErrTwoFactorSetupRequired. The session that confirms a second
// factor is free from then on. How a session began is another question: [Identity.MultiFactor].
//
// Each check applies the policy to the user as the store has them then. So it costs no read
// of its own, and a changed role or a reset factor has its effect from the next call on,
// everywhere. The zero value binds nobody. Managers on one store should have the same
// policy, since each uses its own.
type TwoFactorPolicy struct {
	// Of reports whether a user is bound. Everyone, Admins and MembersOf are ready-made.
	// Checks call it from many goroutines, for users without a second factor.
	// TwoFactorStatus calls it for users with one too. It must depend on nothing but the
	// user, must not change the user's slices and must not wait. Nil binds nobody, and is
	// refused together with From or ReportOnly.
	Of func(User) bool

	// From is when the policy takes effect, by Config.Now. Before that, a login of a bound
	// user without a second factor only emits EventTwoFactorDue. Zero: it has taken effect.
	From time.Time

	// ReportOnly makes the policy only emit that event, before and after From.
	ReportOnly bool
}

// Everyone is a TwoFactorPolicy.Of. It binds all users.
func Everyone(User) bool { return true }

// Admins is a TwoFactorPolicy.Of. It binds the users whose role is "admin" or above it in
// Config.Roles: those with [User].Admin.
func Admins(u User) bool { return u.Admin || u.Role == roleAdmin }

// MembersOf returns a TwoFactorPolicy.Of. It binds the users of the organizations with these
// ids, "org_…".
func MembersOf(organizationIDs ...string) func(User) bool {
	ids := slices.Clone(organizationIDs)
	return func(u User) bool { return slices.Contains(ids, u.OrganizationID) }
}

// binds reports whether p demands a second factor of u, now or from From on, whether u has
// one or not.
func (p *TwoFactorPolicy) binds(u User) bool {
	return p.Of != nil && !p.ReportOnly && p.Of(u)
}

// unmet reports whether p binds u and u has no second factor, also before From or with
// ReportOnly.
func (p *TwoFactorPolicy) unmet(u User) bool {
	return p.Of != nil && !u.TwoFactorEnabled && p.Of(u)
}

// enrolmentOnly reports whether u may only set up a second factor at now.
func (p *TwoFactorPolicy) enrolmentOnly(u User, now time.Time) bool {
	return p.Of != nil && !p.ReportOnly && !now.Before(p.From) && p.unmet(u)
}

// due returns the EventTwoFactorDue of a login of u at now, and false if there is none.
func (p *TwoFactorPolicy) due(u User, now time.Time) (e Event, ok bool) {
	e = Event{Type: EventTwoFactorDue, UserID: u.ID, OrganizationID: u.OrganizationID, Until: p.From.UTC(), Reason: "enrollment_only"}
	switch {
	case p.ReportOnly:
		e.Reason = "report_only"
	case now.Before(p.From):
		e.Reason = "grace"
	}
	return e, p.unmet(u)
}
