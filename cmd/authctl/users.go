package main

import (
	"encoding/json"
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
