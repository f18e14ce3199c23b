package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"

	"github.com/datixlab/auth/internal/printable"
)

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
