package main

import (
	"context"
	"flag"
)

func adminCommands() []command {
	return []command{
		{"create-admin", "ADDRESS", "Make an account with a password, and an organization for it. Such as the first one where registration is closed. The password is asked for, or is the standard input.", [2]int{1, 1}, createAdmin},
	}
}

// createAdmin makes the first account of a service. The role decides nothing by itself: a service
// whose own staff has another role than who registers names it.
func createAdmin(flags *flag.FlagSet) action {
	made := map[string]any{}
	role := flags.String("role", "admin", "the `role`; for your own staff one that registering never gives, such as operator")
	organization := flags.String("organization-name", "Operations", "the `name` of the new organization")
	optional(flags, "name", "the full `name` (default: the address before its @)", made, "full_name")
	verified := flags.Bool("verified", false, "somebody has proven that the user reads the mail of the address")
	return func(ctx context.Context, v *invocation) error {
		if _, err := v.client(ctx); err != nil { // before anybody types a password
			return err
		}
		password, err := v.newPassword(ctx)
		if err != nil {
			return err
		}
		made["role"], made["organization_name"], made["email_verified"] = *role, *organization, *verified
		made["password"] = string(password)
		return v.createAccount(ctx, made)
	}
}
