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
	if in.Code != nil {
		err = withDetail(err, CodeInvalidCredentials, wrongProof)
	}
	if err != nil {
		return nil, err
	}
	return createdKey{k.ID, k.Name, string(key), formatTime(k.CreatedAt), formatTimeOrNull(k.ExpiresAt), k.Scopes}, nil
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
	Scopes      []string `json:"scopes,omitempty" example:"reports:read" doc:"Only if the key was made with scopes."`
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
		list[i] = listedKey{k.ID, k.Name, k.Description, k.Prefix, formatTime(k.CreatedAt), formatTimeOrNull(k.ExpiresAt), formatTimeOrNull(k.LastUsedAt), k.Scopes}
	}
	return list
}

func revokeAPIKey(c *call) (any, error) {
	if err := c.manager.RevokeAPIKey(c, c.identity, c.variable("key_id")); err != nil {
		return nil, err
	}
	return success{true, "API key revoked"}, nil
}
