// Oapi-codegen walks through the whole API by the client that oapi-codegen makes of the
// document.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/oapi-codegen/runtime/types"
	"github.com/pquerna/otp/totp"
)

const (
	email    = "oapi-codegen@example.com"
	password = "a passphrase nobody else has"
	changed  = "another passphrase nobody has"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := walk(ctx, os.Getenv("AUTH_URL")); err != nil {
		fmt.Fprintln(os.Stderr, "oapi-codegen:", err)
		os.Exit(1)
	}
	fmt.Println("oapi-codegen: the walk is done")
}

func as(address, credential string) *ClientWithResponses {
	c, err := NewClientWithResponses(address, WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		if credential != "" {
			r.Header.Set("Authorization", "Bearer "+credential)
		}
		return nil
	}))
	if err != nil {
		panic(err) // no call has been made: the address is at fault
	}
	return c
}

func walk(ctx context.Context, address string) error {
	anyone := as(address, "")
	registered, err := anyone.RegisterWithResponse(ctx, RegisterBody{Email: email, Password: password, FullName: "Ada Lovelace"})
	if err := granted(registered, err); err != nil {
		return err
	}
	first, err := login(ctx, anyone, password)
	if err != nil {
		return err
	}
	session, err := sessionOf(first)
	if err != nil {
		return err
	}
	me := as(address, session.AccessToken)
	profile, err := me.GetProfileWithResponse(ctx)
	if err := granted(profile, err); err != nil {
		return err
	}
	if profile.JSON200.Id != registered.JSON201.Id {
		return fmt.Errorf("GET /me is of %s, not of %s", profile.JSON200.Id, registered.JSON201.Id)
	}
	if err := keys(ctx, address, me); err != nil {
		return err
	}

	enrollment, err := me.EnableTwoFactorWithResponse(ctx, EnableTwoFactorBody{})
	if err := granted(enrollment, err); err != nil {
		return err
	}
	backup := enrollment.JSON200.BackupCodes
	code, err := totp.GenerateCode(enrollment.JSON200.Secret, time.Now())
	if err != nil {
		return err
	}
	confirmed, err := me.ConfirmTwoFactorWithResponse(ctx, ConfirmTwoFactorBody{Code: code})
	if err := granted(confirmed, err); err != nil {
		return err
	}
	second, err := login(ctx, anyone, password)
	if err != nil {
		return err
	}
	if _, err := sessionOf(second); err == nil {
		return fmt.Errorf("no second step is due with a second factor")
	}
	step, err := second.AsSecondStep()
	if err != nil {
		return err
	}
	verified, err := anyone.VerifyTwoFactorWithResponse(ctx, VerifyTwoFactorBody{TempToken: step.TempToken, Code: backup[0]})
	if err := granted(verified, err); err != nil {
		return err
	}

	refreshed, err := as(address, verified.JSON200.AccessToken).RefreshWithResponse(ctx)
	if err := granted(refreshed, err); err != nil {
		return err
	}
	me = as(address, refreshed.JSON200.AccessToken)
	name := "Ada King"
	updated, err := me.UpdateProfileWithResponse(ctx, UpdateProfileBody{FullName: &name})
	if err := granted(updated, err); err != nil {
		return err
	}
	if updated.JSON200.FullName != name || updated.JSON200.Email != types.Email(email) {
		return fmt.Errorf("the profile is %+v", updated.JSON200)
	}
	passed, err := me.ChangePasswordWithResponse(ctx, ChangePasswordBody{CurrentPassword: password, NewPassword: changed})
	if err := granted(passed, err); err != nil {
		return err
	}
	disabled, err := me.DisableTwoFactorWithResponse(ctx, DisableTwoFactorBody{Password: changed, Code: backup[1]})
	if err := granted(disabled, err); err != nil {
		return err
	}
	left, err := me.LogoutWithResponse(ctx)
	if err := granted(left, err); err != nil {
		return err
	}

	refused, err := anyone.LoginWithResponse(ctx, LoginBody{Email: email, Password: password})
	if err != nil {
		return err
	}
	problem := refused.ApplicationproblemJSON401
	if problem == nil || problem.Code != InvalidCredentialsCodeInvalidCredentials {
		return fmt.Errorf("the old password is answered with %s %s", refused.Status(), refused.Body)
	}
	return nil
}

func keys(ctx context.Context, address string, me *ClientWithResponses) error {
	days := 90
	created, err := me.CreateAPIKeyWithResponse(ctx, CreateKeyBody{Name: "Nightly", ExpiresInDays: &days, Scopes: &[]string{"reports:read"}})
	if err := granted(created, err); err != nil {
		return err
	}
	byKey := as(address, created.JSON201.Key)
	profile, err := byKey.GetProfileWithResponse(ctx)
	if err := granted(profile, err); err != nil {
		return err
	}
	listed, err := me.ListAPIKeysWithResponse(ctx)
	if err := granted(listed, err); err != nil {
		return err
	}
	if all := listed.JSON200.ApiKeys; len(all) != 1 || all[0].Id != created.JSON201.Id {
		return fmt.Errorf("the keys are %+v", all)
	}
	revoked, err := me.RevokeAPIKeyWithResponse(ctx, created.JSON201.Id)
	if err := granted(revoked, err); err != nil {
		return err
	}
	profile, err = byKey.GetProfileWithResponse(ctx)
	if err != nil {
		return err
	}
	if profile.StatusCode() != http.StatusUnauthorized {
		return fmt.Errorf("a revoked key is answered with %s", profile.Status())
	}
	return nil
}

func login(ctx context.Context, c *ClientWithResponses, password string) (*Login200JSONResponseBody, error) {
	r, err := c.LoginWithResponse(ctx, LoginBody{Email: email, Password: password})
	if err := granted(r, err); err != nil {
		return nil, err
	}
	return r.JSON200, nil
}

// sessionOf returns the answer of a login that needs no second step. The As methods of
// oapi-codegen succeed with whichever type is asked for, so a member tells the two apart.
func sessionOf(answer *Login200JSONResponseBody) (Session, error) {
	text, err := answer.MarshalJSON()
	if err != nil {
		return Session{}, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return Session{}, err
	}
	if _, ok := members["requires_2fa"]; ok {
		return Session{}, fmt.Errorf("a second step is due")
	}
	return answer.AsSession()
}

// An answer is what all answers of the client have.
type answer interface {
	StatusCode() int
	GetBody() []byte
}

func granted(r answer, err error) error {
	if err != nil {
		return err
	}
	if r.StatusCode() >= http.StatusMultipleChoices {
		return fmt.Errorf("%T: %d %s", r, r.StatusCode(), r.GetBody())
	}
	return nil
}
