// Package auth registers users, logs them in and reports who makes a request. It keeps
// accounts, organizations, sessions, second factors and API keys in a store of your choice.
//
//	manager, err := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{secret}})
//	if err != nil {
//		return err
//	}
//	defer manager.Close()
//	_, err = manager.Register(ctx, auth.Registration{Email: email, Password: password, FullName: "Alice"})
//	if err != nil {
//		return err
//	}
//	login, err := manager.Login(ctx, email, password)
//	if err != nil {
//		return err
//	}
//	id, err := manager.VerifyAccessToken(ctx, login.AccessToken.Token) // id.User is Alice
//
// "Your program" is the one that imports this package and makes a [Manager]. Package httpauth
// serves a Manager over HTTP and guards your program's own routes.
//
// The store is memstore for tests, boltstore for one process with a file, or pgstore or redisstore
// for many processes. Package store is the contract for another one.
//
// # What holds
//
//   - A credential is rejected from the moment that the call which ended it returns: it was
//     revoked, superseded or used up, or its user was disabled. This holds in every process
//     on the store. (With the option MaxLag of pgstore and redisstore, other processes may be late by that.)
//   - Temp tokens, tokens of mails, TOTP codes, backup codes and refreshes take effect once, for
//     any number of racing calls and processes.
//   - An attempt is counted before the password or code is compared.
//   - If the store cannot answer, the error is [ErrUnavailable]. Nothing is granted, and no
//     credential is reported as wrong.
//   - Nothing in the store is accepted as a credential. Passwords are hashed with Argon2id,
//     TOTP secrets are sealed, backup codes are peppered and hashed. Of API keys, temp
//     tokens and tokens of mails there are only digests.
//
// # What your program must do
//
//   - Serve over HTTPS.
//   - Keep Config.Secrets secret, and out of the backups of the store.
//   - Put the address of remote clients into the context with [WithClient], since attempts
//     are counted by it. Package httpauth does that.
//
// # What a user does
//
//   - The account: [Manager.Register], [Manager.UpdateProfile], [Manager.ChangePassword].
//   - Its address: [Manager.VerifyEmail], [Manager.ResendVerification],
//     [Manager.ConfirmEmail], [Manager.CancelEmailChange].
//   - Its data and its end: [Manager.ExportAccount], [Manager.DeleteAccount].
//   - A forgotten password: [Manager.ForgotPassword], [Manager.ResetPassword].
//   - The organization: [Manager.Members], [Manager.SetMemberRole], [Manager.RemoveMember],
//     [Manager.LeaveOrganization], [Manager.RenameOrganization].
//   - Invitations into it: [Manager.Invite], [Manager.Invitations], [Manager.RevokeInvitation],
//     [Manager.AcceptInvitation].
//   - Sessions: [Manager.Login], [Manager.VerifyTwoFactor], [Manager.Refresh],
//     [Manager.Logout], [Manager.LogoutToken], [Manager.LogoutSession],
//     [Manager.LogoutOthers], [Manager.EndReplacedSession], [Manager.SessionEnded].
//   - The second factor: [Manager.EnableTwoFactor], [Manager.ConfirmTwoFactor],
//     [Manager.DisableTwoFactor], [Manager.ReplaceBackupCodes].
//   - Trusted devices: [Manager.VerifyTwoFactorAndTrust], [Manager.LoginWithDevice],
//     [Manager.RemoveTrustedDevice].
//   - API keys: [Manager.CreateAPIKey], [Manager.APIKeys], [Manager.APIKeyUsage],
//     [Manager.UpdateAPIKey], [Manager.RotateAPIKey], [Manager.RevokeAPIKey].
//
// # What a request needs
//
//   - Who makes it: [Manager.Authenticate], which is [Manager.VerifyAPIKey] or
//     [Manager.VerifyAccessToken] as [Manager.IsAPIKey] says; [Manager.VerifyForEnrollment].
//   - What it may do: [Identity.HasScope], [Identity.MultiFactor], [Manager.ReportDenied].
//   - What its fields may hold: [Manager.InputLimits].
//   - Its context: [WithClient], [WithIdentity], [IdentityFrom].
//
// # What your program does to accounts
//
//   - Make and find them: [Manager.CreateUser], [Manager.User], [Manager.UserByEmail],
//     [Manager.Users].
//   - Bring them from another system: [Manager.ImportUser], [Manager.CheckImport],
//     [ParseImportedUser].
//   - Log them in by other proofs than a password: [Manager.LoginAs], [Manager.HasPassword].
//   - Change them: [Manager.UpdateUser], [Manager.SendPasswordReset], [Manager.SetRole],
//     [Manager.SetAssignedAgents], [Manager.SetPassword], [Manager.ResetTwoFactor],
//     [Manager.UnlockUser].
//   - See what they have: [Manager.Sessions], [Manager.UserAPIKeys],
//     [Manager.TwoFactorStatus], [Manager.TrustedDevices], [Manager.UserLocks].
//   - End what they have: [Manager.RevokeSession], [Manager.RevokeSessions],
//     [Manager.RevokeUserAPIKey].
//   - End them: [Manager.DisableUser], [Manager.EnableUser], [Manager.DeleteUser].
//   - Their organizations: [Manager.CreateOrganization], [Manager.Organization],
//     [Manager.OrganizationName], [Manager.MemberCount], [Manager.Organizations], [Manager.DeleteOrganization].
//   - A copy of the store: [Manager.Backup], [Manager.Backups]. After a restore:
//     [Manager.RevokeAll].
//   - How it runs: [Manager.Doctor], [Manager.Stats].
//
// # What your own forms and probes need
//
//   - Faults before the call: [Manager.CheckRegistration], [Manager.CheckNewPassword],
//     [Manager.CheckProfileChange], [Manager.CheckNewAPIKey],
//     [Manager.CheckAPIKeyChange].
//   - What to show: [Manager.Roles].
//   - Whether to show them: [Manager.RegistrationOpen], [Manager.SendsMail],
//     [Manager.RequiresVerifiedEmail], [Manager.TrustsDevices].
//   - Whether the store answers: [Manager.Ready].
//
// # For other services
//
//   - The public keys: [Manager.JWKS], which [ParseJWKS] reads.
//   - Tokens without the store: [NewVerifier], [Verifier.Verify].
package auth
