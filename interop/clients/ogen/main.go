// Ogen walks through the whole API by the client that ogen makes of the document.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ogen-go/ogen/ogenerrors"
	"github.com/pquerna/otp/totp"

	"github.com/datixlab/auth/interop/clients/ogen/api"
)

const (
	email    = "ogen@example.com"
	password = "a passphrase nobody else has"
	changed  = "another passphrase nobody has"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := walk(ctx, os.Getenv("AUTH_URL")); err != nil {
		fmt.Fprintln(os.Stderr, "ogen:", err)
		os.Exit(1)
	}
	fmt.Println("ogen: the walk is done")
}

// A credential is sent as a bearer token; an empty one is not sent.
type credential string

// BearerToken implements api.SecuritySource.
func (c credential) BearerToken(context.Context, api.OperationName) (api.BearerToken, error) {
	if c == "" {
		return api.BearerToken{}, ogenerrors.ErrSkipClientSecurity
	}
	return api.BearerToken{Token: string(c)}, nil
}

// ApiKeyHeader implements api.SecuritySource.
func (c credential) ApiKeyHeader(context.Context, api.OperationName) (api.ApiKeyHeader, error) {
	return api.ApiKeyHeader{}, ogenerrors.ErrSkipClientSecurity
}

func as(address, secret string) *api.Client {
	c, err := api.NewClient(address, credential(secret))
	if err != nil {
		panic(err) // no call has been made: the address is at fault
	}
	return c
}

// is returns the answer if it is of type T, which no refusal is.
func is[T any](answer any, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	t, ok := answer.(*T)
	if !ok {
		return nil, fmt.Errorf("the answer is a %T: %+v", answer, answer)
	}
	return t, nil
}

func walk(ctx context.Context, address string) error {
	anyone := as(address, "")
	registered, err := is[api.Registration](anyone.Register(ctx, &api.RegisterBody{Email: email, Password: password, FullName: "Ada Lovelace"}))
	if err != nil {
		return err
	}
	first, err := is[api.LoginOK](anyone.Login(ctx, &api.LoginBody{Email: email, Password: password}))
	if err != nil {
		return err
	}
	session, ok := first.GetSession()
	if !ok {
		return fmt.Errorf("a second step is due without a second factor: %+v", first)
	}
	me := as(address, session.AccessToken)
	profile, err := is[api.ProfileHeaders](me.GetProfile(ctx))
	if err != nil {
		return err
	}
	if profile.Response.ID != registered.ID {
		return fmt.Errorf("GET /me is of %s, not of %s", profile.Response.ID, registered.ID)
	}
	if err := keys(ctx, address, me); err != nil {
		return err
	}

	enrollment, err := is[api.Enrollment](me.EnableTwoFactor(ctx, api.OptEnableTwoFactorBody{}))
	if err != nil {
		return err
	}
	code, err := totp.GenerateCode(enrollment.Secret, time.Now())
	if err != nil {
		return err
	}
	if _, err := is[api.Success](me.ConfirmTwoFactor(ctx, &api.ConfirmTwoFactorBody{Code: code})); err != nil {
		return err
	}
	second, err := is[api.LoginOK](anyone.Login(ctx, &api.LoginBody{Email: email, Password: password}))
	if err != nil {
		return err
	}
	step, ok := second.GetSecondStep()
	if !ok {
		return fmt.Errorf("no second step is due with a second factor: %+v", second)
	}
	verified, err := is[api.Session](anyone.VerifyTwoFactor(ctx, &api.VerifyTwoFactorBody{TempToken: step.TempToken, Code: enrollment.BackupCodes[0]}))
	if err != nil {
		return err
	}

	refreshed, err := is[api.AccessToken](as(address, verified.AccessToken).Refresh(ctx))
	if err != nil {
		return err
	}
	me = as(address, refreshed.AccessToken)
	updated, err := is[api.Profile](me.UpdateProfile(ctx, &api.UpdateProfileBody{FullName: api.NewOptNilString("Ada King")}))
	if err != nil {
		return err
	}
	if updated.FullName != "Ada King" || updated.Email != email {
		return fmt.Errorf("the profile is %+v", updated)
	}
	if _, err := is[api.Success](me.ChangePassword(ctx, &api.ChangePasswordBody{CurrentPassword: password, NewPassword: changed})); err != nil {
		return err
	}
	if _, err := is[api.Success](me.DisableTwoFactor(ctx, &api.DisableTwoFactorBody{Password: changed, Code: enrollment.BackupCodes[1]})); err != nil {
		return err
	}
	if _, err := is[api.Success](me.Logout(ctx)); err != nil {
		return err
	}

	refused, err := is[api.InvalidCredentialsHeaders](anyone.Login(ctx, &api.LoginBody{Email: email, Password: password}))
	if err != nil {
		return err
	}
	if refused.Response.Code != api.InvalidCredentialsCodeInvalidCredentials || refused.WWWAuthenticate == "" {
		return fmt.Errorf("the old password is answered with %+v", refused)
	}
	return nil
}

func keys(ctx context.Context, address string, me *api.Client) error {
	created, err := is[api.CreatedKey](me.CreateAPIKey(ctx, &api.CreateKeyBody{
		Name: "Nightly", ExpiresInDays: api.NewOptNilInt(90), Scopes: api.NewOptNilStringArray([]string{"reports:read"}),
	}))
	if err != nil {
		return err
	}
	byKey := as(address, created.Key)
	if _, err := is[api.ProfileHeaders](byKey.GetProfile(ctx)); err != nil {
		return err
	}
	listed, err := is[api.KeyList](me.ListAPIKeys(ctx))
	if err != nil {
		return err
	}
	if all := listed.APIKeys; len(all) != 1 || all[0].ID != created.ID {
		return fmt.Errorf("the keys are %+v", all)
	}
	if _, err := is[api.Success](me.RevokeAPIKey(ctx, api.RevokeAPIKeyParams{KeyID: created.ID})); err != nil {
		return err
	}
	_, err = is[api.UnauthorizedHeaders](byKey.GetProfile(ctx))
	return err
}
