package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/store"
)

// A managersRecord is what the Managers on a store were last configured with. It has no secret:
// an id of one is public, and tokens have it in their header.
type managersRecord struct {
	Secrets      []string // their ids
	Issuer       string
	Audience     string
	APIKeyPrefix string
	TokenType    string // "" is at+jwt: an older version wrote the record
	FirstRole    string // "" if an older version wrote the record, as nil Roles are
	Roles        []string
	newer        []byte
}

// Fields implements [record.Fields].
func (r *managersRecord) Fields(c *record.Codec) {
	c.Strings(&r.Secrets)
	c.String(&r.Issuer)
	c.String(&r.Audience)
	c.String(&r.APIKeyPrefix)
	c.String(&r.TokenType)
	c.String(&r.FirstRole)
	c.Strings(&r.Roles)
	c.Rest(&r.newer)
}

// hasRoles reports whether the version that wrote r knew roles.
func (r *managersRecord) hasRoles() bool { return len(r.Roles) > 0 }

func managersRow() record.Row[managersRecord] { return record.New[managersRecord](managersKey) }

// differences returns what own and r differ in, as Event.Reason. Secrets agree if they share one,
// as they do while they are rotated.
func (r *managersRecord) differences(own managersRecord) (reasons []string) {
	if !slices.ContainsFunc(own.Secrets, func(id string) bool { return slices.Contains(r.Secrets, id) }) {
		reasons = append(reasons, "secrets")
	}
	if r.Issuer != own.Issuer {
		reasons = append(reasons, "issuer")
	}
	if r.Audience != own.Audience {
		reasons = append(reasons, "audience")
	}
	if r.APIKeyPrefix != own.APIKeyPrefix {
		reasons = append(reasons, "api_key_prefix")
	}
	if cmp.Or(r.TokenType, string(jose.AccessToken)) != own.TokenType {
		reasons = append(reasons, "token_type")
	}
	if r.hasRoles() && r.FirstRole != own.FirstRole {
		reasons = append(reasons, "first_role")
	}
	if r.hasRoles() && !slices.Equal(r.Roles, own.Roles) {
		reasons = append(reasons, "roles")
	}
	return reasons
}

// newComparison returns the comparison of this Manager with the one that was last on the store.
// A difference is logged and emitted once. Then the record is that of this Manager. So
// an intended change is reported once, and of two Managers that take turns each start is.
//
// The record of Secrets is kept if it has all of this Manager's. So a process that is started
// with the old list during a rotation does not hide the new secret.
func (m *Manager) newComparison() func(context.Context) error {
	own := managersRecord{
		Secrets: m.keys.IDs(), Issuer: m.cfg.Issuer, Audience: m.cfg.Audience,
		APIKeyPrefix: m.cfg.APIKeyPrefix, TokenType: m.cfg.TokenType,
		FirstRole: m.cfg.FirstRole, Roles: m.cfg.Roles,
	}
	told := map[string]bool{}
	compare := func(ctx context.Context) error {
		row := managersRow()
		if err := m.records.Read(ctx, &row); err != nil {
			return err
		}
		var reasons []string
		if row.Exists() {
			reasons = row.Rec.differences(own)
		}
		for _, reason := range reasons {
			if !told[reason] {
				told[reason] = true
				m.cfg.Logger.ErrorContext(ctx, "auth: this Manager is configured differently from the one that used the store before; all Managers on a store need the same value", "config", reason)
				m.emit(ctx, Event{Type: EventStoreMismatch, Actor: actorManager, Reason: reason})
			}
		}
		kept := func(id string) bool { return slices.Contains(row.Rec.Secrets, id) }
		lacks := slices.ContainsFunc(own.Secrets, func(id string) bool { return !kept(id) })
		if row.Exists() && len(reasons) == 0 && !lacks && row.Rec.hasRoles() {
			return nil
		}
		newer := row.Rec.newer
		row.Rec = own
		row.Rec.newer = newer
		return m.records.Commit(ctx, row.Put())
	}
	return func(ctx context.Context) error {
		return m.records.Retry(ctx, "", func() error { return compare(ctx) })
	}
}

// SharedConfig returns a Config with secrets, and with Issuer, FirstRole, Roles, APIKeyPrefix, Audience
// and TokenType of the Manager that used the store last. All Managers on a store need the same of these,
// and of SigningKey, VerifyKeys and FirebaseHashes, which the store does not know. It is for a program
// that works on the store of a service and sets the other fields itself. With the defaults, its Manager
// would pass for a change of the service's.
//
// The first of secrets signs and seals. The error is not nil unless it is one of the service's. For a
// store that no Manager has used, any secret fits, and the other fields are empty. It is ErrUnavailable
// if the store does not answer, and then says nothing of the secrets. SharedConfig writes nothing.
func SharedConfig(ctx context.Context, s store.Store, secrets ...Secret) (Config, error) {
	if len(secrets) == 0 {
		return Config{}, errors.New("auth: SharedConfig needs a secret")
	}
	keys, err := seal.New([]byte(secrets[0]))
	if err != nil {
		return Config{}, fmt.Errorf("auth: the first secret: %w", err)
	}
	row := managersRow()
	records := record.Records{Store: s, Timeout: Config{}.withDefaults().StoreTimeout, Unavailable: ErrUnavailable, Turns: new(record.Turns)}
	if err := records.Read(ctx, &row); err != nil {
		return Config{}, err
	}
	r := &row.Rec
	if row.Exists() && !slices.Contains(r.Secrets, keys.IDs()[0]) {
		return Config{}, errors.New("auth: the first secret is none of those that the store was last used with")
	}
	return Config{
		Secrets: slices.Clone(secrets), Issuer: r.Issuer, FirstRole: r.FirstRole, Roles: r.Roles,
		APIKeyPrefix: r.APIKeyPrefix, Audience: r.Audience, TokenType: r.TokenType,
	}, nil
}
