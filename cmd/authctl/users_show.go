package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// details are an account with what belongs to it.
type details struct {
	User        account
	HasPassword bool `json:"has_password"`
	Sessions    []struct {
		ID, Device, Address string
		CreatedAt           string `json:"created_at"`
		ExpiresAt           string `json:"expires_at"`
		AMR                 []string
	}
	TrustedDevices []struct {
		ID, Device, Address string
		ExpiresAt           string `json:"expires_at"`
	} `json:"trusted_devices"`
	APIKeys []struct {
		ID, Name   string
		Prefix     string  `json:"key_prefix"`
		LastUsedAt *string `json:"last_used_at"`
		ExpiresAt  *string `json:"expires_at"`
		Enabled    bool
		Scopes     []string
	} `json:"api_keys"`
	TwoFactor struct {
		Enabled         bool
		BackupCodesLeft int `json:"backup_codes_left"`
		Required        bool
	} `json:"two_factor"`
	Locks []struct{ Budget, Network, Until string }
}

// account returns the account that the first argument names, by its id or its address.
func (v *invocation) account(ctx context.Context) (account, error) {
	if !strings.Contains(v.args[0], "@") {
		_, d, err := v.details(ctx, v.args[0])
		return d.User, err
	}
	c, err := v.client(ctx)
	if err != nil {
		return account{}, err
	}
	doc, err := findByEmail(ctx, c, v.args[0])
	if err != nil {
		return account{}, err
	}
	return decode[account](doc)
}

// details returns the account with an id, with everything that belongs to it.
func (v *invocation) details(ctx context.Context, id string) (doc json.RawMessage, d details, err error) {
	c, err := v.client(ctx)
	if err != nil {
		return nil, d, err
	}
	doc, err = c.call(ctx, http.MethodGet, pathOf("users", id), nil)
	if isCode(err, "not_found") {
		err = errors.New("there is no account with this id; an account is named by its id or its address")
	}
	if err != nil {
		return nil, d, err
	}
	d, err = decode[details](doc)
	return doc, d, err
}

// everything is details of the account that the first argument names.
func (v *invocation) everything(ctx context.Context) (doc json.RawMessage, d details, err error) {
	id := v.args[0]
	if strings.Contains(id, "@") {
		a, err := v.account(ctx)
		if err != nil {
			return nil, d, err
		}
		id = a.ID
	}
	return v.details(ctx, id)
}

func showUser(ctx context.Context, v *invocation) error {
	doc, d, err := v.everything(ctx)
	if err != nil {
		return err
	}
	if v.json {
		return v.printJSON(doc)
	}
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return "no"
	}
	t := &table{w: v.stdout, gap: "  "} // an id is never cut
	a := d.User
	t.row("id", a.ID)
	t.row("email", a.Email)
	t.row("verified", yes(a.EmailVerified))
	if a.PendingEmail != "" {
		t.row("wanted", a.PendingEmail)
	}
	t.row("name", a.FullName)
	t.row("role", a.Role)
	t.row("organization", a.OrganizationID)
	t.row("made", orDash(a.CreatedAt))
	t.row("disabled", yes(a.Disabled))
	t.row("password", yes(d.HasPassword))
	factor := "off"
	if d.TwoFactor.Enabled {
		factor = fmt.Sprintf("on, backup codes left: %d", d.TwoFactor.BackupCodesLeft)
	}
	if d.TwoFactor.Required {
		factor += ", required"
	}
	t.row("second factor", factor)
	t.flush()
	v.section(len(d.Locks), "LOCK", "UNTIL", "NETWORK")(func(t *table) {
		for _, l := range d.Locks {
			t.row(l.Budget, l.Until, orText(l.Network, "all others"))
		}
	})
	v.section(len(d.Sessions), "SESSION", "SINCE", "UNTIL", "BY", "ADDRESS", "DEVICE")(func(t *table) {
		for _, s := range d.Sessions {
			t.row(s.ID, s.CreatedAt, s.ExpiresAt, strings.Join(s.AMR, ","), orText(s.Address, "-"), orText(s.Device, "-"))
		}
	})
	v.section(len(d.TrustedDevices), "TRUSTED DEVICE", "UNTIL", "ADDRESS", "DEVICE")(func(t *table) {
		for _, s := range d.TrustedDevices {
			t.row(s.ID, s.ExpiresAt, orText(s.Address, "-"), orText(s.Device, "-"))
		}
	})
	v.section(len(d.APIKeys), "API KEY", "ENABLED", "LAST USED", "UNTIL", "KEY", "SCOPES", "NAME")(func(t *table) {
		for _, k := range d.APIKeys {
			t.row(k.ID, yes(k.Enabled), orDash(k.LastUsedAt), orDash(k.ExpiresAt), k.Prefix, orText(strings.Join(k.Scopes, ","), "all"), k.Name)
		}
	})
	return nil
}

// section prints a table behind an empty line, unless it has no rows.
func (v *invocation) section(n int, head ...string) func(fill func(*table)) {
	return func(fill func(*table)) {
		if n == 0 {
			return
		}
		fmt.Fprintln(v.stdout)
		t := v.table(head...)
		fill(t)
		t.flush()
	}
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
