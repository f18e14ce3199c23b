package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/callback"
	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/queue"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/sampler"
	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/internal/sharedcall"
	"github.com/datixlab/auth/internal/slots"
	"github.com/datixlab/auth/internal/waitline"
	"github.com/datixlab/auth/store"
)

// A Manager does all of authentication over one store. Any number of goroutines may call
// it. Any number of Managers, in any number of processes, may share a store if they have
// the same Secrets, Issuer, Audience, TokenType and APIKeyPrefix and know each other's public
// keys.
//
// Methods that take an [Identity] act for that user. All except [Manager.ReportDenied] read
// the session again, and return:
//   - ErrInvalidToken if it has ended.
//   - ErrForbidden for an API key.
//   - ErrTwoFactorSetupRequired if Config.TwoFactorPolicy wants a second factor first (not
//     EnableTwoFactor, ConfirmTwoFactor and Logout).
//
// Methods that take a user's id are for your program. They check no permission.
//
// Methods that return an error may also return ErrUnavailable, and ErrClosed after Close.
type Manager struct {
	cfg          Config
	records      record.Records
	keys         *seal.Keyring
	cursors      cursors
	secretSizes  []int // of Config.Secrets, in bytes
	signer       jose.Signer
	tokenKeys    jose.Keys
	format       *jose.Format
	jwks         string
	peppers      map[string]func() []byte // by key id
	hashSlots    *slots.Slots
	largeSlots   *slots.Slots    // of those in hashSlots that take more memory than our hashes
	lanes        *hitcount.Table // attempts in the preferred lane of hashSlots
	lines        waitline.Lines  // of attempts that wait for others on a budget
	pace         slots.Pace      // of those that are turned away
	pictureSlots *slots.Slots    // of QR codes, so that they never delay a login
	checkerCalls *callback.Calls // of Config.PasswordChecker
	passwords    *password.Comparer
	events       *queue.Queue // nil without Config.Events
	notices      *queue.Queue // nil without Config.Notifier
	mails        *queue.Queue // nil without Config.Mailer
	mailerCalls  *callback.Calls
	sampler      *sampler.Sampler
	unsent       sampler.Counts  // of notices
	notified     *hitcount.Table // while the store fails, see chargeNotice
	usage        *keyuse.Tracker
	firstUses    firstUses
	changes      *hitcount.Table  // of each user, see changeLimit
	calls        parallel.Pending // that may change something: Close waits for them
	cache        checkCache
	background   background
	readiness    sharedcall.Call // the last look at the store
	complete     atomic.Bool     // the rosters, see rostersComplete
	closed       atomic.Bool
	closing      sync.Once
}

// The purposes of the keys that are derived from a root secret. A changed label derives
// another key.
const (
	labelToken  = "access token hs256"
	labelTOTP   = "totp secret"
	labelTemp   = "temp token"
	labelPepper = "backup code pepper"
	labelCursor = "cursor"
)

// New returns a Manager over s, or an error that names every field of cfg that is missing
// or unsafe. It does not wait for the store. Close the Manager before the store.
//
// A goroutine compares the Manager with the one that used the store before. What differs is
// logged and emitted as EventStoreMismatch, and the Manager works all the same. On a store with
// accounts of a version without rosters, it adds each account to the roster of its
// organization. It continues after a failure or a restart.
func New(s store.Store, cfg Config) (*Manager, error) {
	if s == nil {
		return nil, errors.New("auth: New needs a store")
	}
	cfg = cfg.withDefaults()
	public, err := cfg.publicKeys()
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, err
	}
	roots, sizes := make([][]byte, len(cfg.Secrets)), make([]int, len(cfg.Secrets))
	for i, secret := range cfg.Secrets {
		roots[i], sizes[i] = []byte(secret), len(secret)
	}
	keys, err := seal.New(roots...)
	if err != nil {
		return nil, fmt.Errorf("auth: Config.Secrets: %w", err)
	}
	pages, err := newCursors(keys)
	if err != nil {
		return nil, fmt.Errorf("auth: Config.Secrets: %w", err)
	}
	signingKey := cfg.SigningKey
	cfg.Secrets, cfg.SigningKey = nil, SigningKey{} // the keys are kept where nothing prints them
	passwords, err := cfg.passwordComparer()
	if err != nil {
		return nil, fmt.Errorf("auth: Config.PasswordHash: %w", err)
	}
	cfg.FirebaseHashes = FirebaseHashes{}
	m := &Manager{
		cfg: cfg, keys: keys, cursors: pages, secretSizes: sizes, passwords: passwords,
		records:      record.Records{Store: s, Timeout: cfg.StoreTimeout, Unavailable: ErrUnavailable, Turns: new(record.Turns)},
		changes:      hitcount.New(maxChangedUsers),
		peppers:      map[string]func() []byte{},
		checkerCalls: callback.New(maxChecks, checkTimeout),
		format:       jose.NewFormat(cfg.Issuer, cfg.Audience, cfg.ClientID, userPrefix, sessionPrefix),
		sampler:      sampler.New(sampleLimit),
		notified:     hitcount.New(maxNotified),
		cache:        newCheckCache(s, cfg.MaxRemembered),
		readiness:    sharedcall.Call{For: readyFor},
	}
	m.records.Stamps = m.cache.stamps
	m.records.Stuck = func(ctx context.Context) {
		cfg.Logger.ErrorContext(ctx, "auth: the store's stamps do not change with its records; checks are not cached any more. A wrapper that maps keys or reopens its store must have a Stamp of its own.")
	}
	m.records.Busy = func(ctx context.Context) {
		m.emit(ctx, Event{Type: EventOverloaded, Reason: "changes"})
	}
	m.records.Fault = func(ctx context.Context, call string) {
		if !inBackground(ctx) {
			m.emit(ctx, Event{Type: EventStoreFailed, Actor: actorManager, Reason: call})
		}
	}
	typ := jose.Type(cfg.TokenType)
	tokenKeys, peppers := keys.Derive(labelToken, 32), keys.Derive(labelPepper, 32)
	for i, id := range keys.IDs() {
		signer, key := jose.NewHMAC(id, tokenKeys[i], typ)
		m.tokenKeys = append(m.tokenKeys, key)
		m.peppers[id] = inClosure(peppers[i])
		if i == 0 {
			m.signer = signer
		}
	}
	m.tokenKeys = append(m.tokenKeys, jose.KeysOf(public, typ)...)
	if signingKey.Signer != nil {
		m.signer = signingKey.tokenSigner(public[0], typ)
	}
	m.jwks = jose.WriteJWKS(public)
	m.lanes = hitcount.New(maxLanes)
	m.hashSlots = slots.New(cfg.HashSlots, cfg.HashQueue, cfg.HashWait)
	m.largeSlots = slots.New(max(1, min(cfg.HashSlots/2, maxLargeHashes)), cfg.HashQueue, cfg.HashWait)
	m.pictureSlots = slots.New(1, maxPicturesWaiting, cfg.HashWait)
	if cfg.Events != nil {
		m.events = queue.New("events", queue.InOrder, cfg.Logger, m.emitOmitted)
	}
	if cfg.Notifier != nil {
		m.notices = queue.New("notices", queue.ByTurns, cfg.Logger, m.logUnsent)
	}
	if cfg.Mailer != nil {
		m.mailerCalls = callback.New(maxHungMail, mailTimeout)
		m.mails = queue.New("mails", queue.ByTurns, cfg.Logger, nil)
	}
	m.usage = m.trackKeys()
	m.startFirstUses()
	m.startBackground()
	return m, nil
}

// Close makes every later call return ErrClosed, and writes the uses of API keys and tokens that
// are still in memory. It waits up to 10 seconds for calls that may change something, so that their
// mails and events are sent. Mails, notices and events that are queued or under way have the rest of
// 20 seconds, mails of 15. What is left then is dropped and logged. Close returns an error if a
// handler does not return. It takes up to 21 seconds, and longer only where the store does not
// answer. It does not close the store. A second Close does nothing.
func (m *Manager) Close() error {
	var err error
	m.closing.Do(func() {
		end := time.Now().Add(closeTime)
		m.closed.Store(true)
		m.calls.Wait(closeWait)
		m.background.close()
		err = errors.Join(m.usage.Close(), m.closeFirstUses(), m.closeQueues(end))
	})
	return err
}

// closeQueues closes the queue of mails and then that of events, since a mail is one, and meanwhile
// that of notices. Where the store took the time that end allows, they have closeWait.
func (m *Manager) closeQueues(end time.Time) error {
	if least := time.Now().Add(closeWait); end.Before(least) {
		end = least
	}
	var mails, events, notices error
	parallel.Do(
		func() {
			mails = queue.Close(end.Add(-closeEvents), m.mails)
			events = queue.Close(end, m.events)
		},
		func() { notices = queue.Close(end, m.notices) },
	)
	return errors.Join(mails, events, notices)
}

// readyFor is how long an answer of Ready is shared, and how long it waits for the store.
const readyFor = time.Second

// Ready returns nil if the store answers, for a readiness probe. It makes one Get and waits a
// second for it at most, or Config.StoreTimeout if that is less. All callers of one second
// share the answer, so that probes by anyone cost the store one read a second. It emits no
// event. The error wraps ErrUnavailable with that of the store, or is ErrClosed.
//
// An answer says nothing of a Commit. A liveness probe should ask nothing: restarting the
// process mends no store.
func (m *Manager) Ready(ctx context.Context) error {
	if err := m.ready(); err != nil {
		return err
	}
	err := m.readiness.Do(ctx, m.now(), func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, min(readyFor, m.cfg.StoreTimeout))
		defer cancel()
		_, err := m.records.Store.Get(ctx, managersKey)
		return err
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// String returns "auth.Manager". Nothing else of a Manager is printed.
func (m *Manager) String() string { return "auth.Manager" }

// Format implements [fmt.Formatter] for every verb, so that none reaches a key.
func (m *Manager) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue implements [slog.LogValuer] with the text of String.
func (m *Manager) LogValue() slog.Value { return slog.StringValue(m.String()) }

const (
	closeTime   = 20 * time.Second // of Close, if the store answers and handlers return
	closeWait   = 10 * time.Second // the part of it for calls that are under way
	closeEvents = 5 * time.Second  // the part of it that mails leave to their events
)

// ready returns ErrClosed after Close.
func (m *Manager) ready() error {
	if m.closed.Load() {
		return ErrClosed
	}
	return nil
}

// Now returns the time of Config.Now, in UTC.
func (m *Manager) Now() time.Time { return m.cfg.Now().UTC() }

func (m *Manager) now() time.Time { return m.Now() }

// clockSkew is how far the clock of another process may be ahead. It is also the leeway of
// tokens.
const clockSkew = 30 * time.Second

// isRecent reports whether since is less than most before now. A time further ahead than
// clockSkew comes from a clock that was wrong. It is not recent: else it would be for as long
// as that clock was ahead.
func isRecent(since, now time.Time, most time.Duration) bool {
	age := now.Sub(since)
	return -clockSkew <= age && age < most
}
