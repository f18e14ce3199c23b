package main

import (
	"context"
	"net/url"
)

func organizationCommands() []command {
	return []command{
		{"orgs", "", "List organizations, in no order. The members of one are: users list -organization ID.", [2]int{0, 0}, simple(listOrganizations)},
	}
}

type organization struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	CreatedAt *string `json:"created_at"`
}

func listOrganizations(ctx context.Context, v *invocation) error {
	return list(ctx, v, "/organizations", "organizations", url.Values{}, []string{"ID", "MADE", "NAME"}, func(o organization) (string, []string) {
		return o.ID, []string{o.ID, orDash(o.CreatedAt), o.Name}
	})
}
