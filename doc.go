// Package auth registers users, logs them in and says who makes a request: accounts
// with organizations, sessions with JWT access tokens, two-factor authentication and
// API keys, over a store of the host's choice.
//
// A [Manager] does all of it; package httpauth serves it over HTTP and guards the
// host's own routes; package store holds the contract of the adapters beside it.
//
// # What holds
//
//   - A credential that is revoked, superseded, used up or whose user is disabled
//     opens nothing from the moment that the call which ended it returns, in every
//     process on the store (on Redis with MaxLag, in other processes, once that is over).
//   - Once-only things (temp tokens, TOTP and backup codes, refreshes) happen once,
//     whatever the number of racers and of processes.
//   - A guess is counted before it is looked at.
//   - A store that cannot answer is [ErrUnavailable]: nothing is granted, and nobody
//     is told that their credentials are wrong.
//   - What lies in the store opens nothing: passwords are Argon2id, TOTP secrets are
//     sealed, backup codes are peppered and hashed, keys and temp tokens are digests.
//
// The caller's part: serve over HTTPS, keep Config.Secrets secret and out of the
// store's backups, and put the address of remote clients into the context with
// [WithClient] (package httpauth does), since throttles count by it.
package auth
