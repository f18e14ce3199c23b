package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
)

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
	role := flags.String("role", "", "the `role` (default: member, or admin in a new organization)")
	optional(flags, "name", "the full `name` (default: the address before its @)", made, "full_name")
	optional(flags, "organization", "the `id` of the organization", made, "organization_id")
	optional(flags, "organization-name", "the `name` of a new organization", made, "organization_name")
	verified := flags.Bool("verified", false, "somebody has proven that the user reads the mail of the address")
	return func(ctx context.Context, v *invocation) error {
		if (made["organization_id"] == nil) == (made["organization_name"] == nil) {
			return usageError("needs -organization or -organization-name")
		}
		made["role"], made["email_verified"] = cmp.Or(*role, "member"), *verified
		if made["organization_name"] != nil { // which would have no admin
			made["role"] = cmp.Or(*role, "admin")
		}
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
