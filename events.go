package auth

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// An EventType names what happened. The texts are stable.
type EventType string

// The types of events. Event has the Action, Reason and Count of each.
const (
	EventRegistered            EventType = "registered"
	EventLoginSucceeded        EventType = "login_succeeded"
	EventLoginFailed           EventType = "login_failed"
	EventSecondFactorRequired  EventType = "second_factor_required"
	EventTwoFactorDue          EventType = "two_factor_due" // a login without the second factor that Config.TwoFactorPolicy requires
	EventSecondFactorFailed    EventType = "second_factor_failed"
	EventBackupCodeUsed        EventType = "backup_code_used"
	EventRateLimited           EventType = "rate_limited"
	EventTokenRefreshed        EventType = "token_refreshed"
	EventTokenReused           EventType = "token_reused" // a superseded token was refreshed; its session has ended
	EventLoggedOut             EventType = "logged_out"
	EventSessionRevoked        EventType = "session_revoked"
	EventPasswordChanged       EventType = "password_changed"
	EventPasswordReset         EventType = "password_reset"      // by ResetPassword, with the token of a mail
	EventPasswordResetSent     EventType = "password_reset_sent" // SendPasswordReset was called; the mail has EventMailSent
	EventReauthFailed          EventType = "reauthentication_failed"
	EventProfileChanged        EventType = "profile_changed"
	EventEmailChanged          EventType = "email_changed"
	EventEmailChangeRequested  EventType = "email_change_requested" // the new address must be confirmed
	EventEmailChangeCanceled   EventType = "email_change_canceled"
	EventEmailVerified         EventType = "email_verified" // a token of a mail, or a LoginAs, has proven the address
	EventMailSent              EventType = "mail_sent"      // by Config.Mailer
	EventMailFailed            EventType = "mail_failed"
	EventTwoFactorStarted      EventType = "two_factor_started"
	EventTwoFactorEnabled      EventType = "two_factor_enabled"
	EventTwoFactorDisabled     EventType = "two_factor_disabled"
	EventTwoFactorReset        EventType = "two_factor_reset" // by ResetTwoFactor
	EventBackupCodesReplaced   EventType = "backup_codes_replaced"
	EventDeviceTrusted         EventType = "device_trusted" // by VerifyTwoFactorAndTrust
	EventDeviceRemoved         EventType = "device_removed" // by RemoveTrustedDevice
	EventAPIKeyCreated         EventType = "api_key_created"
	EventAPIKeyRotated         EventType = "api_key_rotated" // the old key; the new one has EventAPIKeyCreated
	EventAPIKeyRevoked         EventType = "api_key_revoked"
	EventAPIKeyDisabled        EventType = "api_key_disabled"
	EventAPIKeyEnabled         EventType = "api_key_enabled"
	EventAPIKeyChanged         EventType = "api_key_changed" // its name or description
	EventRoleChanged           EventType = "role_changed"
	EventMemberRemoved         EventType = "member_removed" // by an admin, see RemoveMember; the organization is the former one
	EventMemberLeft            EventType = "member_left"    // by LeaveOrganization; the organization is the former one
	EventAssignedAgentsChanged EventType = "assigned_agents_changed"
	EventUserDisabled          EventType = "user_disabled"
	EventUserEnabled           EventType = "user_enabled"
	EventUserUnlocked          EventType = "user_unlocked"
	EventUserDeleted           EventType = "user_deleted"
	EventDataExported          EventType = "data_exported"        // by ExportAccount
	EventOrganizationCreated   EventType = "organization_created" // by CreateOrganization; Register has EventRegistered
	EventOrganizationDeleted   EventType = "organization_deleted" // by DeleteOrganization, when it begins; each member has EventUserDeleted
	EventOrganizationRenamed   EventType = "organization_renamed"
	EventInvitationCreated     EventType = "invitation_created" // by Invite; the user is the inviter
	EventInvitationRevoked     EventType = "invitation_revoked"
	EventInvitationAccepted    EventType = "invitation_accepted" // the user is who has joined, beside EventRegistered if it is a new one
	EventAllRevoked            EventType = "all_revoked"         // by RevokeAll, for all users
	EventBackupMade            EventType = "backup_made"         // by Backup, when it ends

	// A call with WithForce left the other members of an organization without an enabled admin.
	// The user is the one who was the last.
	EventOrganizationWithoutAdmin EventType = "organization_without_admin"

	// A completed login from a network that is not among the last eight of the account's
	// registration and logins. The first login to an account that your program made is not
	// reported.
	EventLoginNewNetwork EventType = "login_new_network"

	// A credential was refused. The Reason says why; the client learns less.
	EventTokenRefused     EventType = "token_refused"
	EventAPIKeyRefused    EventType = "api_key_refused"
	EventTempTokenRefused EventType = "temp_token_refused"
	EventMailTokenRefused EventType = "mail_token_refused"

	// A call was refused although its credential was proven, or because it had more than
	// one credential.
	EventAccessDenied EventType = "access_denied"

	// A call wanted an email address that another account has.
	EventEmailTaken EventType = "email_taken"

	EventOverloaded  EventType = "overloaded"   // a password or code was not compared, a QR code not drawn, or a change not made: too much at the same time
	EventStoreFailed EventType = "store_failed" // a call of the store failed, or a record was damaged

	// The Manager that used the store before had another configuration. Tokens, keys or
	// second factors of one do not work at the other.
	EventStoreMismatch EventType = "store_mismatch"

	// A use of an API key was unusual: see Manager.VerifyAPIKey. Time is that of the use, or
	// the beginning of the hour of a burst. The Client has an address only, or none for a
	// burst. There is no OrganizationID.
	EventAPIKeyNewNetwork EventType = "api_key_new_network"
	EventAPIKeyWoke       EventType = "api_key_woke"
	EventAPIKeyBurst      EventType = "api_key_burst"

	// Events were left out: see EventHandler.
	EventOmitted EventType = "events_omitted"
)

// The Actor of events without a user's credential.
const (
	actorHost    = "host"
	actorManager = "manager"
)

// An Event is one thing that happened, whether it was allowed or refused. It has no secret and
// no email address. A client chooses the text of Client.UserAgent only, and of Client.RequestID
// if your program takes it from the request. Both have only printable characters.
//
// These are the Action, Reason and Count of each type that has them. Action names the call. The
// event of any change has the Reason unknown if the store did not say whether the change was
// made. The client got ErrUnavailable then.
//
//	Type                      Field   Values
//	EventAccessDenied         Reason  api_key: a key cannot manage credentials
//	                                  reauthentication_required, two_factor_setup_required
//	                                  email_not_verified: the password was right
//	                                  api_key_limit, api_key_not_active
//	                                  role: the caller is no admin, or below the role
//	                                  last_admin
//	                                  not_found: an API key, session or device that is not the
//	                                  caller's, or who is no member of the organization
//	                                  or the reason that ReportDenied was given
//	EventAllRevoked           Reason  unfinished: RevokeAll returned an error
//	                          Count   accounts whose sessions were ended
//	EventAPIKeyBurst          Count   the limit that was exceeded, in uses an hour
//	EventAPIKeyRefused        Reason  malformed, expired
//	                                  unknown: it never existed or was revoked
//	                                  disabled: its user is; disabled_key: it is itself
//	                                  moved: its user is in another organization by now
//	EventAPIKeyRevoked        Reason  host: by RevokeUserAPIKey
//	                                  reset: by a reset that is the first proof of the address
//	                                  moved: its user was removed from the organization, or left
//	EventAPIKeyWoke           Count   days without a use
//	EventBackupMade           Reason  unfinished: Backup returned an error
//	EventBackupCodeUsed       Action  login, disable, change_email, new_key
//	                                  delete_account, export
//	                                  member_role, remove_member, leave_organization,
//	                                  accept_invitation
//	                                  replace_codes: for new codes
//	                          Count   codes that are left of those it was one of
//	EventEmailTaken           Action  register, create_user, import_user, change_email
//	EventInvitationCreated    Reason  replaced: there was another for the address; else none
//	EventLoggedOut            Reason  expired, superseded: the token, which LogoutToken takes
//	                                  replaced: by a login in the same browser
//	EventLoginFailed          Reason  disabled: the user of a LoginAs; else none
//	EventLoginSucceeded       Reason  trusted_device: it stood in for the code
//	EventMailFailed           Action  the purpose of the mail
//	                          Reason  queue: it was full
//	                                  store: it did not store the token
//	                                  refused: Mailer.Send returned an error
//	                                  busy: too many calls of it have not returned
//	                                  timeout, panic
//	EventMailSent             Action  the purpose of the mail
//	EventMailTokenRefused     Action  the purpose of the token
//	                          Reason  malformed
//	                                  ended: unknown, used, expired or void
//	EventOmitted              Reason  type, or type:reason, of the events left out
//	                          Count   how many
//	EventOverloaded           Reason  changes: too many of one account at the same time; else hashing
//	EventPasswordChanged      Reason  host: by SetPassword
//	EventPasswordReset        Count   API keys that still work
//	EventRateLimited          Reason  the budget: address, account_address, account, session,
//	                                  code, code_total, confirm, register, new_factor,
//	                                  new_key, new_codes, changes, new_email, members
//	                                  inviter, invitations: mails by a user and an organization
//	                                  password_check: calls of Config.PasswordChecker
//	                                  mail: of an address that mails are for
//	                                  mail_address, mail_network: of a client
//	                                  setup: turning second factors on, of a network
//	                                  network, register_network, setup_network: of a wider
//	                                  network
//	                                  code_elsewhere, code_elsewhere_total: of all networks
//	                                  that are not known
//	EventRegistered           Reason  imported: by ImportUser
//	EventSecondFactorFailed   Action  login, confirm, disable, change_email, new_key,
//	                                  replace_codes, delete_account, export
//	                                  member_role, remove_member, leave_organization,
//	                                  accept_invitation
//	                                  device: a device token, and a code is asked for
//	                          Reason  malformed, wrong
//	                                  replayed: right, but spent before
//	                                  ended: of a device, which is unknown or trusted no longer
//	                                  damaged: the record of the user's devices
//	EventSessionRevoked       Reason  all: by RevokeSessions
//	                                  others: all but the caller's, which SessionID is
//	                          Count   of others: how many were ended
//	EventStoreFailed          Reason  get, list, commit, hit, walk
//	                                  damaged: a record
//	EventStoreMismatch        Reason  secrets: they have none in common
//	                                  issuer, audience, api_key_prefix,
//	                                  token_type, first_role, roles
//	EventTempTokenRefused     Reason  malformed
//	                                  ended: its login is over
//	                                  tries: too many wrong codes
//	EventTokenRefreshed       Reason  again: after the grace, since the reply may have been lost.
//	                                  If a session has many of these, look at its addresses
//	EventTokenRefused         Reason  malformed: not made by this Manager
//	                                  expired: or of another issuer or audience
//	                                  ended: its session is over
//	                                  superseded: by a refresh
//	                                  disabled: its user is disabled
//	EventTwoFactorDue         Reason  grace: before TwoFactorPolicy.From
//	                                  report_only: by TwoFactorPolicy.ReportOnly
//	                                  enrollment_only: the policy is in force
type Event struct {
	Type EventType
	Time time.Time // UTC
	// Actor is the "ses_…" or "key_…" of a user's credential. For a call by your program
	// it is the name that WithActor was given, or else "host". It is "manager" for what
	// the Manager noticed by itself. It is "" for a client that has proven nothing, and
	// for EventRateLimited and EventOverloaded.
	Actor          string
	UserID         string // of the account; "" if it is unknown
	OrganizationID string
	SessionID      string
	APIKeyID       string
	Client         Client    // of the request, from WithClient
	Role           string    // the new role, for EventRegistered, EventRoleChanged and invitations
	AMR            []string  // for EventLoginSucceeded, and for what else LoginAs emits of a login
	Action         string    // a stable word for the call, if the type does not name it
	Reason         string    // a stable word for the cause, if the type does not name it
	Count          int       // as in the table, 0 for other types
	Until          time.Time // for EventTwoFactorDue: TwoFactorPolicy.From
}

// refusal reports whether a call was refused or failed.
func (e Event) refusal() bool {
	switch e.Type {
	case EventLoginFailed, EventSecondFactorFailed, EventRateLimited, EventTokenReused, EventReauthFailed,
		EventTokenRefused, EventAPIKeyRefused, EventTempTokenRefused, EventMailTokenRefused, EventAccessDenied, EventEmailTaken,
		EventOverloaded, EventStoreFailed, EventMailFailed:
		return true
	}
	return false
}

// counted reports whether Count has a meaning, also when it is 0.
func (e Event) counted() bool {
	switch e.Type {
	case EventBackupCodeUsed, EventPasswordReset, EventAPIKeyWoke, EventAPIKeyBurst, EventAllRevoked, EventOmitted:
		return true
	case EventSessionRevoked:
		return e.Reason == others
	}
	return false
}

// LogValue implements [slog.LogValuer]. It returns a group of type and time, and of those
// fields that are set: actor, user_id, organization_id, session_id, api_key_id, address,
// user_agent, request_id, role, amr, action, reason, until and count.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("type", string(e.Type)), slog.Time("time", e.Time)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("actor", e.Actor)
	add("user_id", e.UserID)
	add("organization_id", e.OrganizationID)
	add("session_id", e.SessionID)
	add("api_key_id", e.APIKeyID)
	if e.Client.Addr.IsValid() {
		add("address", e.Client.Addr.String())
	}
	add("user_agent", e.Client.UserAgent)
	add("request_id", e.Client.RequestID)
	add("role", e.Role)
	add("amr", strings.Join(e.AMR, " "))
	add("action", e.Action)
	add("reason", e.Reason)
	if !e.Until.IsZero() {
		attrs = append(attrs, slog.Time("until", e.Until))
	}
	if e.counted() {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	return slog.GroupValue(attrs...)
}

// An EventHandler receives events one at a time and in order, from a queue of 4,096. So a slow
// handler delays no call. A full queue drops events and counts them, in this order:
//
//   - Sampled events, and refusals that clients can cause in great number, are dropped first.
//     They take half of the queue at most. Changes of a password, an address, a factor, a role
//     or the state of an account, and reused tokens, are dropped last.
//   - Of the same rank, the user with the most events in the queue loses the newest.
//   - One network (an IPv4 /24 or an IPv6 /48) has a quarter of the queue. Beyond it, each user
//     has four events of each rank but the first, and one of each type. Calls of your program
//     count for no network.
//
// Events that a client can cause without end are sampled: EventRateLimited, EventTokenRefused,
// EventAPIKeyRefused, EventTempTokenRefused, EventMailTokenRefused, EventAccessDenied,
// EventOverloaded, EventStoreFailed, malformed codes and mails for which the queue was full. So
// are EventTokenRefreshed, EventProfileChanged, EventAPIKeyChanged and EventTwoFactorStarted by a user,
// which cost no hash, and a LogoutOthers that finds nothing to end. Each type, reason, account
// and network (a /24 or a /48) gets 20 at once and one more every 3 seconds. For EventOverloaded
// and EventStoreFailed, account and network do not count. What changes a password, an address, a
// factor, what a key may do or a role, or ends a session, is never sampled.
//
// Events that were dropped or not sampled are counted and reported as EventOmitted, within a
// minute and at Close.
type EventHandler interface {
	// HandleEvent receives one event. The context has the values of the request's context
	// and ends after 10 seconds. A panic is logged. HandleEvent must not call the Manager's
	// Close.
	HandleEvent(ctx context.Context, e Event)
}

// LogEvents returns an EventHandler that writes each event to l as one record: the
// message "auth" and the group "event" of [Event.LogValue]. The level is Error for
// EventStoreFailed and EventStoreMismatch. It is Warn for other refusals, for EventOmitted and
// for what is unusual: a login from a new network, or an unusual use of an API key. It is Info
// for the rest.
func LogEvents(l *slog.Logger) EventHandler { return logEvents{l} }

type logEvents struct{ l *slog.Logger }

// HandleEvent implements [EventHandler].
func (h logEvents) HandleEvent(ctx context.Context, e Event) {
	level := slog.LevelInfo
	switch e.Type {
	case EventStoreFailed, EventStoreMismatch:
		level = slog.LevelError
	case EventLoginNewNetwork, EventAPIKeyNewNetwork, EventAPIKeyWoke, EventAPIKeyBurst, EventOmitted, EventOrganizationWithoutAdmin:
		level = slog.LevelWarn
	default:
		if e.refusal() {
			level = slog.LevelWarn
		}
	}
	h.l.LogAttrs(ctx, level, "auth", slog.Any("event", e))
}
