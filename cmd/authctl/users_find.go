package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"

	"github.com/datixlab/auth/internal/printable"
)

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
