package auth

import (
	"slices"
	"time"
)

// A TwoFactorPolicy says who must have a second factor. A bound user without one can log in,
// refresh, read the profile, set up a second factor and log out. Every other call with a
// session or key of theirs is ErrTwoFactorSetupRequired. The session that confirms a second
// factor is free from then on. How a session began is another question:
// [Identity.MultiFactor].
//
// The policy is asked with the user as the store has them at each check. So it costs no
// read, and a role that is given or a factor that is reset counts from the next call on,
// everywhere. The zero value binds nobody. Managers on one store should have the same
// policy, since each uses its own.
type TwoFactorPolicy struct {
	// Of reports whether a user is bound. Ready-made are Everyone, Admins and
	// MembersOf. It is called during checks, of users who have no second factor, by
	// many goroutines: it goes by nothing but the user, whose slices it leaves as they
	// are, and waits for nothing. Nil binds nobody, and is refused beside a From or
	// ReportOnly.
	Of func(User) bool

	// From is when it begins to hold, by Config.Now: before that a login of a bound
	// user without a second factor is an EventTwoFactorDue and else like any other.
	// Zero: it holds now.
	From time.Time

	// ReportOnly leaves it at that event, before and after From.
	ReportOnly bool
}

// Everyone is a TwoFactorPolicy.Of: all users.
func Everyone(User) bool { return true }

// Admins is a TwoFactorPolicy.Of: the users whose role is "admin".
func Admins(u User) bool { return u.Role == "admin" }

// MembersOf returns a TwoFactorPolicy.Of: the users of the organizations with these
// ids, "org_…".
func MembersOf(organizationIDs ...string) func(User) bool {
	ids := slices.Clone(organizationIDs)
	return func(u User) bool { return slices.Contains(ids, u.OrganizationID) }
}

// unmet reports whether p binds u, who has no second factor, be it in force or not.
func (p *TwoFactorPolicy) unmet(u User) bool {
	return p.Of != nil && !u.TwoFactorEnabled && p.Of(u)
}

// enrolmentOnly reports whether u can do nothing at that time but set up a second factor.
func (p *TwoFactorPolicy) enrolmentOnly(u User, now time.Time) bool {
	return p.Of != nil && !p.ReportOnly && !now.Before(p.From) && p.unmet(u)
}

// due is what a login of u reports: nothing, or from when on p holds and how.
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
