package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/datixlab/auth/internal/printable"
)

func userCommands() []command {
	one := [2]int{1, 1}
	const user = "USER"
	return []command{
		{"users list", "", "List accounts, in no order. Disabled ones too, and each once.", [2]int{0, 0}, listUsers},
		{"users find", "ADDRESS", "Find the account that has an email address. Any spelling of the address will do.", one, simple(findUser)},
		{"users show", user, "Show an account: its sessions, devices, API keys, second factor and locks.", one, simple(showUser)},
		{"users create", "ADDRESS", "Make an account, without a password. The user sets the first one by a reset.", one, createUser},
		{"users edit", user, "Change the address or the name. Make sure that it is the user who asks: whoever reads the mail of the address can reset the password.", one, editUser},
		{"users disable", user, "Refuse every credential of a user. At once, until the account is enabled.", one, forced(userAct{verb: "disable", asks: "Every session ends and every API key is refused."})},
		{"users enable", user, "Let a disabled user log in again. API keys work as before.", one, simple(userAct{verb: "enable"}.do)},
		{"users unlock", user, "Give back the attempts of passwords and codes. For known networks, and those that all others share.", one, simple(userAct{verb: "unlock"}.do)},
		{"users reset-2fa", user, "Turn the second factor off and end every session. For a user who has lost it: make sure that it is the user who asks.", one, simple(userAct{verb: "reset-2fa", asks: "The second factor is turned off and every session ends. Is it the user who asks?"}.do)},
		{"users revoke", user, "End every session. With -keys every API key too, with -key one key alone.", one, revokeUser},
		{"users send-reset", user, "Mail the token of a password reset. To the address of the account.", one, simple(userAct{verb: "send-reset"}.do)},
		{"users set-role", "USER ROLE", "Give a role. The next request has it.", [2]int{2, 2}, setRole},
		{"users delete", user, "Remove an account and everything of it. There is no undo.", one, forced(userAct{verb: "delete", asks: "The account and everything of it is removed. There is no undo."})},
	}
}

// An account is a user as the API shows one.
type account struct {
	ID               string  `json:"id"`
	Email            string  `json:"email"`
	EmailVerified    bool    `json:"email_verified"`
	PendingEmail     string  `json:"pending_email"`
	FullName         string  `json:"full_name"`
	Role             string  `json:"role"`
	OrganizationID   string  `json:"organization_id"`
	TwoFactorEnabled bool    `json:"two_factor_enabled"`
	Disabled         bool    `json:"disabled"`
	CreatedAt        *string `json:"created_at"`
}

// state returns what is particular about an account.
func (a account) state() string {
	var words []string
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(a.CreatedAt == nil, "damaged")
	add(a.Disabled, "disabled")
	add(a.TwoFactorEnabled, "2fa")
	add(a.EmailVerified, "verified")
	if words == nil {
		return "-"
	}
	return strings.Join(words, ",")
}

// String names the account for people, on one line.
func (a account) String() string {
	return printable.Escape(a.Email) + " (" + printable.Escape(a.ID) + ")"
}

var userHead = []string{"ID", "ROLE", "STATE", "EMAIL", "NAME"}

func (a account) cells() []string { return []string{a.ID, a.Role, a.state(), a.Email, a.FullName} }

func listUsers(flags *flag.FlagSet) action {
	organization := flags.String("organization", "", "only the members of the organization with this `id`")
	return func(ctx context.Context, v *invocation) error {
		query := url.Values{}
		if *organization != "" {
			query.Set("organization_id", *organization)
		}
		return list(ctx, v, "/users", "users", query, userHead, func(a account) (id string, cells []string) { return a.ID, a.cells() })
	}
}

// list prints every page of a list: a table for people, or an item a line. The list of everything
// may have an item twice, which is printed once.
func list[T any](ctx context.Context, v *invocation, path, member string, query url.Values, head []string, row func(T) (id string, cells []string)) error {
	c, err := v.client(ctx)
	if err != nil {
		return err
	}
	t := v.table(head...)
	seen := map[string]bool{}
	query.Set("limit", "200")
	for {
		doc, err := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		page, err := decode[map[string]json.RawMessage](doc)
		if err != nil {
			return err
		}
		items, err := decode[[]json.RawMessage](page[member])
		if err != nil {
			return err
		}
		for _, raw := range items {
			item, err := decode[T](raw)
			if err != nil {
				return err
			}
			id, cells := row(item)
			switch {
			case seen[id]:
			case v.json:
				if err := v.printJSON(raw); err != nil {
					return err
				}
			default:
				t.row(cells...)
			}
			seen[id] = true
		}
		if !v.json {
			t.flush()
		}
		next, err := decode[*string](page["next"])
		if err != nil || next == nil {
			return err
		}
		if *next == query.Get("after") { // it would never end
			return fmt.Errorf("%s answers the same page again; is -admin right?", c.where)
		}
		query.Set("after", *next)
	}
}

// findByEmail returns the account that has an address, as the API answers it.
func findByEmail(ctx context.Context, c *client, address string) (json.RawMessage, error) {
	doc, err := c.call(ctx, http.MethodGet, "/users?"+url.Values{"email": {address}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	page, err := decode[struct{ Users []json.RawMessage }](doc)
	if err != nil {
		return nil, err
	}
	if len(page.Users) == 0 {
		return nil, errors.New("no account has the address " + printable.Escape(address))
	}
	return page.Users[0], nil
}

func findUser(ctx context.Context, v *invocation) error {
	c, err := v.client(ctx)
	if err != nil {
		return err
	}
	doc, err := findByEmail(ctx, c, v.args[0])
	if err != nil {
		return err
	}
	return v.printAccount(doc)
}

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
	t := v.table()
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

// A userAct is what one call does to one account.
type userAct struct {
	verb string // of the route
	asks string // what is said before it asks; "": it does not
	body map[string]any
}

func (act userAct) do(ctx context.Context, v *invocation) error {
	a, err := v.account(ctx)
	if err != nil {
		return err
	}
	return act.on(ctx, v, a)
}

// on does it to the account a, which the operator is shown.
func (act userAct) on(ctx context.Context, v *invocation, a account) error {
	if act.asks != "" {
		if err := v.confirm(ctx, fmt.Sprintf("%s, %s\n%s", a, orText(printable.Escape(a.FullName), "-"), act.asks)); err != nil {
			return err
		}
	}
	c, err := v.client(ctx)
	if err != nil {
		return err
	}
	var body any
	if act.body != nil {
		body = act.body
	}
	doc, err := c.call(ctx, http.MethodPost, pathOf("users", a.ID, act.verb), body)
	if err != nil {
		return err
	}
	return v.done(a, doc)
}

// done prints what the service says of an act.
func (v *invocation) done(a account, doc json.RawMessage) error {
	if v.json {
		return v.printJSON(doc)
	}
	said, err := decode[struct{ Message string }](doc)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(v.stdout, "%s: %s\n", a, printable.Escape(said.Message))
	return err
}

// forced is the setup of an act that may leave an organization without an admin.
func forced(act userAct) func(*flag.FlagSet) action {
	return func(flags *flag.FlagSet) action {
		force := flags.Bool("force", false, "do it also if the organization then has no enabled admin")
		return func(ctx context.Context, v *invocation) error {
			if *force {
				act.body = map[string]any{"force": true}
			}
			return act.do(ctx, v)
		}
	}
}

func setRole(flags *flag.FlagSet) action {
	force := flags.Bool("force", false, "do it also if the organization then has no enabled admin")
	return func(ctx context.Context, v *invocation) error {
		act := userAct{verb: "role", body: map[string]any{"role": v.args[1]}}
		if *force {
			act.body["force"] = true
		}
		return act.do(ctx, v)
	}
}

func revokeUser(flags *flag.FlagSet) action {
	one := flags.String("key", "", "revoke the API key with this `id`, and nothing else")
	keys := flags.Bool("keys", false, "revoke every API key too")
	return func(ctx context.Context, v *invocation) error {
		if *one != "" && *keys {
			return usageError("-key and -keys exclude each other")
		}
		_, d, err := v.everything(ctx)
		if err != nil {
			return err
		}
		if *one != "" {
			if err := v.confirm(ctx, fmt.Sprintf("%s\nThe API key is revoked for good.", d.User)); err != nil {
				return err
			}
			return v.revokeKey(ctx, d.User, *one)
		}
		asks := "Every session ends."
		if *keys {
			asks = fmt.Sprintf("Every session ends, and %d API keys are revoked for good.", len(d.APIKeys))
		}
		if err := (userAct{verb: "revoke-sessions", asks: asks}).on(ctx, v, d.User); err != nil || !*keys {
			return err
		}
		for _, k := range d.APIKeys {
			if err := v.revokeKey(ctx, d.User, k.ID); err != nil && !isCode(err, "not_found") {
				return err
			}
		}
		return nil
	}
}

func (v *invocation) revokeKey(ctx context.Context, a account, key string) error {
	c, err := v.client(ctx)
	if err != nil {
		return err
	}
	doc, err := c.call(ctx, http.MethodDelete, pathOf("users", a.ID, "api-keys", key), nil)
	if err != nil {
		return err
	}
	return v.done(a, doc)
}

// optional is a flag that may be left out, so that "" is a value.
func optional(flags *flag.FlagSet, name, usage string, into map[string]any, member string) {
	flags.Func(name, usage, func(value string) error { into[member] = value; return nil })
}

func editUser(flags *flag.FlagSet) action {
	change := map[string]any{}
	optional(flags, "email", "the new `address`", change, "email")
	optional(flags, "name", "the new `name`", change, "full_name")
	flags.BoolFunc("verified", "that somebody has proven that the user reads the mail of the address; -verified=false that nobody has", func(value string) error {
		if value != "true" && value != "false" {
			return errors.New("must be true or false")
		}
		change["email_verified"] = value == "true"
		return nil
	})
	return func(ctx context.Context, v *invocation) error {
		if len(change) == 0 {
			return usageError("needs -email, -name or -verified")
		}
		a, err := v.account(ctx)
		if err != nil {
			return err
		}
		if change["email"] != nil {
			if err := v.confirm(ctx, fmt.Sprintf("%s\nWhoever reads the mail of the new address can reset the password. Is it the user who asks?", a)); err != nil {
				return err
			}
		}
		if change["email"] == nil && change["email_verified"] != nil {
			change["email"] = a.Email // the one that is meant: the user may change it meanwhile
		}
		c, err := v.client(ctx)
		if err != nil {
			return err
		}
		doc, err := c.call(ctx, http.MethodPatch, pathOf("users", a.ID), change)
		if err != nil {
			return err
		}
		return v.printAccount(doc)
	}
}

func createUser(flags *flag.FlagSet) action {
	made := map[string]any{}
	role := flags.String("role", "member", "the `role`")
	optional(flags, "name", "the full `name` (default: the address before its @)", made, "full_name")
	optional(flags, "organization", "the `id` of the organization", made, "organization_id")
	optional(flags, "organization-name", "the `name` of a new organization", made, "organization_name")
	verified := flags.Bool("verified", false, "somebody has proven that the user reads the mail of the address")
	return func(ctx context.Context, v *invocation) error {
		if (made["organization_id"] == nil) == (made["organization_name"] == nil) {
			return usageError("needs -organization or -organization-name")
		}
		made["role"], made["email_verified"] = *role, *verified
		return v.createAccount(ctx, made)
	}
}

// createAccount makes the account that made has the members of, with the address of the first
// argument.
func (v *invocation) createAccount(ctx context.Context, made map[string]any) error {
	made["email"] = v.args[0]
	if made["full_name"] == nil {
		made["full_name"], _, _ = strings.Cut(v.args[0], "@")
	}
	c, err := v.client(ctx)
	if err != nil {
		return err
	}
	doc, err := c.call(ctx, http.MethodPost, "/users", made)
	if err != nil {
		return err
	}
	return v.printAccount(doc)
}

func (v *invocation) printAccount(doc json.RawMessage) error {
	if v.json {
		return v.printJSON(doc)
	}
	a, err := decode[account](doc)
	if err != nil {
		return err
	}
	t := v.table(userHead...)
	t.row(a.cells()...)
	t.flush()
	return nil
}
