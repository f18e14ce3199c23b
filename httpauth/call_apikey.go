package httpauth

import (
	"time"

	"github.com/datixlab/auth"
)

type createKeyBody struct {
	Name          string       `json:"name" input:"name" example:"Production"`
	Description   *string      `json:"description" input:"text" example:"Nightly export"`
	ExpiresInDays *int         `json:"expires_in_days" minimum:"1" maximum:"3650" example:"90" doc:"Without it the configured default applies."`
	Scopes        *[]string    `json:"scopes" input:"scope" list:"scopes" example:"reports:read" doc:"What the key may be used for. Without it the key has all rights of its owner."`
	Password      *auth.Secret `json:"password" doc:"If the service asks for a fresh login and the login is not fresh."`
	Code          *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

type createdKey struct {
	ID        string   `json:"id" example:"key_1a2b3c"`
	Name      string   `json:"name" example:"Production"`
	Key       string   `json:"key" example:"sk_live_xyz..." doc:"It is shown in this answer only."`
	CreatedAt string   `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
	ExpiresAt *string  `json:"expires_at" format:"date-time" example:"2026-04-15T10:30:00Z" doc:"Null: never."`
	Scopes    []string `json:"scopes,omitempty" example:"reports:read" doc:"Only if the key was made with scopes."`
}

func (in createKeyBody) newKey() auth.NewAPIKey {
	return auth.NewAPIKey{
		Name:        in.Name,
		Description: orZero(in.Description),
		ExpiresIn:   time.Duration(orZero(in.ExpiresInDays)) * 24 * time.Hour,
		Scopes:      in.Scopes,
		Password:    orZero(in.Password),
		Code:        orZero(in.Code),
	}
}

func (in createKeyBody) check(c *call) error { return c.manager.CheckNewAPIKey(in.newKey()) }

func createAPIKey(c *call, in createKeyBody) (any, error) {
	k, key, err := c.manager.CreateAPIKey(c, c.identity, in.newKey())
	if err != nil {
		return nil, unproven(err, in.Code)
	}
	return createdKey{k.ID, k.Name, string(key), formatTime(k.CreatedAt), formatTimeOrNull(k.ExpiresAt), k.Scopes}, nil
}

type rotateKeyBody struct {
	OverlapHours *int         `json:"overlap_hours" minimum:"0" maximum:"720" default:"24" example:"24" doc:"How long the old key still works. It never outlives its own end."`
	Password     *auth.Secret `json:"password" doc:"If the service asks for a fresh login and the login is not fresh."`
	Code         *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

// defaultOverlap is how long a replaced key works if the client does not say. The tag of
// OverlapHours has it too.
const defaultOverlap = 24 * time.Hour

type rotatedKey struct {
	ID        string   `json:"id" example:"key_4d5e6f"`
	Name      string   `json:"name" example:"Production"`
	Key       string   `json:"key" example:"sk_live_abc..." doc:"It is shown in this answer only."`
	CreatedAt string   `json:"created_at" format:"date-time" example:"2026-04-01T10:30:00Z"`
	ExpiresAt *string  `json:"expires_at" format:"date-time" example:"2026-06-30T10:30:00Z" doc:"Null: never. It has the lifetime of the old key, from now on."`
	Replaces  string   `json:"replaces" example:"key_1a2b3c" doc:"The id of the old key."`
	Scopes    []string `json:"scopes,omitempty" example:"reports:read" doc:"Those of the old key, if it was made with scopes."`
}

func rotateAPIKey(c *call, in rotateKeyBody) (any, error) {
	overlap, old := defaultOverlap, c.variable("key_id")
	if in.OverlapHours != nil {
		overlap = time.Duration(*in.OverlapHours) * time.Hour
	}
	k, key, err := c.manager.RotateAPIKey(c, c.identity, old, overlap, orZero(in.Password), orZero(in.Code))
	if err != nil {
		return nil, unproven(err, in.Code)
	}
	return rotatedKey{k.ID, k.Name, string(key), formatTime(k.CreatedAt), formatTimeOrNull(k.ExpiresAt), old, k.Scopes}, nil
}

type updateKeyBody struct {
	Name        *string      `json:"name" input:"name" either:"description" example:"Staging"`
	Description *string      `json:"description" input:"text" either:"name" doc:"Empty to remove it."`
	Enabled     *bool        `json:"enabled" either:"name" doc:"A disabled key is refused until it is enabled. Enabling one needs what making one needs."`
	Password    *auth.Secret `json:"password" doc:"To enable a key, if the service asks for a fresh login and the login is not fresh."`
	Code        *auth.Secret `json:"code" doc:"With password, if two-factor authentication is on: a TOTP code, or a backup code."`
}

func (in updateKeyBody) change() auth.APIKeyChange {
	return auth.APIKeyChange{
		Name:        in.Name,
		Description: in.Description,
		Enabled:     in.Enabled,
		Password:    orZero(in.Password),
		Code:        orZero(in.Code),
	}
}

func (in updateKeyBody) check(c *call) error {
	if in.Name == nil && in.Description == nil && in.Enabled == nil { // the member that was sent is the one that could not be read
		return nil
	}
	return c.manager.CheckAPIKeyChange(in.change())
}

func updateAPIKey(c *call, in updateKeyBody) (any, error) {
	k, err := c.manager.UpdateAPIKey(c, c.identity, c.variable("key_id"), in.change())
	if err != nil {
		return nil, unproven(err, in.Code)
	}
	return listedKeyOf(k), nil
}

type keyList struct {
	APIKeys []listedKey `json:"api_keys"`
}

type listedKey struct {
	ID          string   `json:"id" example:"key_1a2b3c"`
	Name        string   `json:"name" example:"Production"`
	Description string   `json:"description" example:"Nightly export" doc:"Empty if there is none."`
	KeyPrefix   string   `json:"key_prefix" example:"sk_live_xyz..."`
	CreatedAt   string   `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z"`
	ExpiresAt   *string  `json:"expires_at" format:"date-time" example:"2026-04-15T10:30:00Z" doc:"Null: never."`
	LastUsedAt  *string  `json:"last_used_at" format:"date-time" example:"2026-01-16T08:00:00Z" doc:"Null until the first use."`
	Enabled     bool     `json:"enabled" example:"true" doc:"False: it is refused until it is enabled."`
	Scopes      []string `json:"scopes,omitempty" example:"reports:read" doc:"Only if the key was made with scopes."`
	ReplacedBy  string   `json:"replaced_by,omitempty" doc:"Only if the key was rotated: the id of the new key."`
	SunsetAt    string   `json:"sunset_at,omitempty" format:"date-time" doc:"Only if the key was rotated: when it ends, as expires_at says."`
}

func listedKeyOf(k auth.APIKey) listedKey {
	l := listedKey{
		ID:          k.ID,
		Name:        k.Name,
		Description: k.Description,
		KeyPrefix:   k.Prefix,
		CreatedAt:   formatTime(k.CreatedAt),
		ExpiresAt:   formatTimeOrNull(k.ExpiresAt),
		LastUsedAt:  formatTimeOrNull(k.LastUsedAt),
		Enabled:     k.Enabled,
		Scopes:      k.Scopes,
		ReplacedBy:  k.ReplacedBy,
	}
	if k.ReplacedBy != "" {
		l.SunsetAt = formatTime(k.ExpiresAt)
	}
	return l
}

func listAPIKeys(c *call) (any, error) {
	keys, err := c.manager.APIKeys(c, c.identity)
	if err != nil {
		return nil, err
	}
	return keyList{listedKeys(keys)}, nil
}

func listedKeys(keys []auth.APIKey) []listedKey {
	list := make([]listedKey, len(keys))
	for i, k := range keys {
		list[i] = listedKeyOf(k)
	}
	return list
}

func revokeAPIKey(c *call) (any, error) {
	if err := c.manager.RevokeAPIKey(c, c.identity, c.variable("key_id")); err != nil {
		return nil, err
	}
	return success{true, "API key revoked"}, nil
}

type keyUsage struct {
	Total           int64        `json:"total" minimum:"0" example:"1204" doc:"How often the key was accepted."`
	LastUsedAt      *string      `json:"last_used_at" format:"date-time" example:"2026-01-16T08:00:00Z" doc:"Null until the first use."`
	LastUsedAddress *string      `json:"last_used_address" example:"192.0.2.7/32" doc:"The network of the last use: an IPv4 /32 or IPv6 /64. Null if it is unknown."`
	Networks        []keyNetwork `json:"networks" doc:"The last eight that the key was used from, the one that was used last first."`
	Hours           []keyHour    `json:"hours" doc:"The last 168 hours with uses, the oldest first."`
}

type keyNetwork struct {
	Network   string  `json:"network" example:"192.0.2.0/24" doc:"An IPv4 /24 or IPv6 /48."`
	FirstSeen *string `json:"first_seen" format:"date-time" example:"2026-01-15T10:31:00Z" doc:"Since it is one of the last eight. Null where that is unknown."`
	LastSeen  string  `json:"last_seen" format:"date-time" example:"2026-01-16T08:00:00Z"`
}

type keyHour struct {
	From string `json:"from" format:"date-time" example:"2026-01-16T08:00:00Z" doc:"When the hour begins."`
	Uses int64  `json:"uses" minimum:"1" example:"17"`
}

func getAPIKeyUsage(c *call) (any, error) {
	u, err := c.manager.APIKeyUsage(c, c.identity, c.variable("key_id"))
	if err != nil {
		return nil, err
	}
	answer := keyUsage{
		Total:      int64(u.Total),
		LastUsedAt: formatTimeOrNull(u.LastUsedAt),
		Networks:   make([]keyNetwork, len(u.Networks)),
		Hours:      make([]keyHour, len(u.Hours)),
	}
	if u.LastNetwork.IsValid() {
		text := u.LastNetwork.String()
		answer.LastUsedAddress = &text
	}
	for i, n := range u.Networks {
		answer.Networks[i] = keyNetwork{n.Network.String(), formatTimeOrNull(n.FirstSeen), formatTime(n.LastSeen)}
	}
	for i, h := range u.Hours {
		answer.Hours[i] = keyHour{formatTime(h.From), int64(h.Uses)}
	}
	return answer, nil
}
