package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A DeviceTrust lets users trust a device, so that a login there needs no code: the password
// and the device token of [Manager.VerifyTwoFactorAndTrust] are enough. The zero value: no
// device is trusted, and every login needs a code.
//
// Such a session has the amr "pwd" and not "mfa". It counts as no multi-factor session and, while
// the second factor is on, never as a fresh login. It lasts for Config.SessionTTL. A policy on
// who must have a second factor (TwoFactorPolicy) is met, since the user has one.
type DeviceTrust struct {
	// TTL is how long a device is trusted, 1 minute to 400 days, such as 30 days. A use does
	// not prolong it. A new TTL holds for devices that are trusted from then on. Default 0: no
	// device is trusted. Tokens that are out are ignored then, until a TTL is set again.
	TTL time.Duration
	// Max is how many devices a user may trust, 1 to 50. One more takes the place of the one
	// that was not used for longest. A lower Max holds from the next device on. Default 10.
	Max int
}

// A TrustedDevice is a device on which a login of its user needs no code.
type TrustedDevice struct {
	ID         string    // "device_…"
	Client     Client    // where it was trusted; without RequestID
	CreatedAt  time.Time // when it was trusted, UTC
	LastUsedAt time.Time // when it last stood in for a code, or was trusted, UTC
	ExpiresAt  time.Time // UTC
}

// deviceSecret is how many base62 digits a device token has after its prefix: 256 random bits.
const deviceSecret = 43

// devicesRecord has the devices that a user trusts. They share a record, so that no race exceeds
// their number.
type devicesRecord struct {
	Devices []device
	newer   []byte
}

// A device is a trusted device as it is stored.
type device struct {
	ID        string
	Digest    []byte // deviceDigest of its token
	Epoch     uint64 // of the account, when the device was trusted
	Enrolment string // it stands in for no code of another enrolment
	Created   time.Time
	Expires   time.Time
	Used      time.Time
	Address   string
	UserAgent string
}

// Fields implements [record.Fields].
func (d *devicesRecord) Fields(c *record.Codec) {
	record.List(c, &d.Devices, func(one *device) {
		c.String(&one.ID)
		c.Bytes(&one.Digest)
		c.Uint(&one.Epoch)
		c.String(&one.Enrolment)
		c.Time(&one.Created)
		c.Time(&one.Expires)
		c.Time(&one.Used)
		c.String(&one.Address)
		c.String(&one.UserAgent)
	})
	c.Rest(&d.newer)
}

func devicesRow(uid string) record.Row[devicesRecord] {
	return record.New[devicesRecord](devicesKey(uid))
}

// prune removes the devices that are trusted no longer.
func (d *devicesRecord) prune(acct *account, now time.Time) {
	d.Devices = slices.DeleteFunc(d.Devices, func(one device) bool {
		return !now.Before(one.Expires) || one.Epoch != acct.Epoch || one.Enrolment != acct.Enrolment
	})
}

// add adds a device. Of more than most it drops those that were not used for longest.
func (d *devicesRecord) add(one device, most int) {
	for len(d.Devices) > 0 && len(d.Devices) >= most {
		oldest := 0
		for i := range d.Devices {
			if d.Devices[i].Used.Before(d.Devices[oldest].Used) {
				oldest = i
			}
		}
		d.Devices = slices.Delete(d.Devices, oldest, oldest+1)
	}
	d.Devices = append(d.Devices, one)
}

// find returns the device with this digest, or nil.
func (d *devicesRecord) find(digest []byte) (found *device) {
	for i := range d.Devices {
		if subtle.ConstantTimeCompare(d.Devices[i].Digest, digest) == 1 {
			found = &d.Devices[i]
		}
	}
	return found
}

// write returns op, which writes d, with the end of the last device.
func (d *devicesRecord) write(op store.Op) store.Op {
	var last time.Time
	for i := range d.Devices {
		if d.Devices[i].Expires.After(last) {
			last = d.Devices[i].Expires
		}
	}
	return op.Until(last)
}

// deviceDigest returns what is stored of a user's device token. The user is in it, so the record
// of one user, copied to another, opens nothing. The parts have a fixed length.
func deviceDigest(uid, secret string) []byte {
	d := sha256.Sum256([]byte("trusted device/" + uid + "/" + secret))
	return d[:]
}

// deviceOwner stands for the owner of a device token. Only with the token can it be told whose it is.
func deviceOwner(uid, secret string) string {
	d := sha256.Sum256([]byte("owner of a device/" + uid + "/" + secret))
	return base64.RawURLEncoding.EncodeToString(d[:12])
}

// BoundDeviceToken is DeviceToken, with a mark of its user. [Manager.LoginWithDevice] ignores it for any
// other user, and DeviceToken would count as a wrong code of theirs. So a device that several people
// share can send it whoever logs in. The mark stays right if the address of the account changes, and it
// tells nobody whose it is. It is "" without a DeviceToken.
func (r LoginResult) BoundDeviceToken() Secret {
	secret, ok := strings.CutPrefix(string(r.DeviceToken), devicePrefix)
	if !ok {
		return ""
	}
	uid, _ := parseUser(r.User.ID)
	return r.DeviceToken + Secret("."+deviceOwner(uid, secret))
}

// TrustsDevices reports whether Config.TrustedDevices lets users trust a device. A page of a
// login shows the choice if it does.
func (m *Manager) TrustsDevices() bool { return m.cfg.TrustedDevices.TTL > 0 }

// VerifyTwoFactorAndTrust is [Manager.VerifyTwoFactor], and trusts the device that the call comes
// from. LoginResult.DeviceToken is for later logins by [Manager.LoginWithDevice]: keep it on
// that device only, as carefully as a password. It is made in the Commit that spends the
// code. So there is no way to one without a code, be it of an authenticator or a backup code. The
// address of the account gets a notice.
//
// The trust ends after DeviceTrust.TTL and by [Manager.RemoveTrustedDevice]. It also ends with
// what ends all sessions, or all but the caller's. That is a change or a reset of the password, a
// second factor that is turned off, reset or replaced, the confirmation of a new address,
// LogoutOthers, RevokeSessions and RevokeAll. A disabled or deleted account trusts no device. New
// backup codes, another role and an address that needs no confirmation end no trust.
//
// Without Config.TrustedDevices it is VerifyTwoFactor, and there is no DeviceToken.
func (m *Manager) VerifyTwoFactorAndTrust(ctx context.Context, tempToken, code Secret) (LoginResult, error) {
	return m.verifyTwoFactor(ctx, tempToken, code, m.TrustsDevices())
}

// LoginWithDevice is [Manager.Login] on a device that may be trusted. If the account has a second
// factor, the right password and a device token of it begin a session without a code. See
// [DeviceTrust] for what such a session is not.
//
// A device token that is malformed, unknown, of another user, expired, removed or void changes
// nothing: the result is a temp token, as without one. It is charged as a wrong code is, unless
// it is malformed, or a [LoginResult.BoundDeviceToken] of another user. Spaces and line breaks are no part
// of it. A right one is accepted even while
// strangers have used up the budgets of codes.
func (m *Manager) LoginWithDevice(ctx context.Context, email string, password, deviceToken Secret) (LoginResult, error) {
	return m.loginOn(ctx, email, password, deviceToken)
}

// trustDevice makes a device token of the user, which lasts until then, and the operation that
// stores its digest. The Commit must require the account as it was read, and spend a code.
func (m *Manager) trustDevice(ctx context.Context, uid string, acct *account) (token Secret, until time.Time, write store.Op, err error) {
	devices := devicesRow(uid)
	err = m.records.Read(ctx, &devices)
	damaged := errors.Is(err, record.ErrDamaged) // what it had is trusted no more, and it is replaced
	if err != nil && !damaged {
		return "", until, store.Op{}, err
	}
	now, client, secret := m.now(), clientOf(ctx), ident.Digits(deviceSecret)
	one := device{
		ID: ident.Random(), Digest: deviceDigest(uid, secret), Epoch: acct.Epoch, Enrolment: acct.Enrolment,
		Created: now, Expires: now.Add(m.cfg.TrustedDevices.TTL), Used: now, UserAgent: client.UserAgent,
	}
	if client.Addr.IsValid() {
		one.Address = netprefix.Unmapped(client.Addr).String()
	}
	if damaged {
		devices = devicesRow(uid)
	}
	devices.Rec.prune(acct, now)
	devices.Rec.add(one, m.cfg.TrustedDevices.Max)
	write = devices.Put()
	if damaged {
		write = devices.Overwrite()
	}
	return Secret(devicePrefix + secret), one.Expires.UTC(), devices.Rec.write(write), nil
}

// reportDevice reports the device of a login whose last Commit returned err.
func (m *Manager) reportDevice(ctx context.Context, err error, s *secondStep, session string) {
	m.report(ctx, err, Event{
		Type: EventDeviceTrusted, Actor: session, UserID: userIDOf(s.uid), OrganizationID: s.acct.Rec.Org, SessionID: session,
	}, accountNotice(EventDeviceTrusted, s.uid, &s.acct.Rec, s.acct.Rec.Email))
}

// deviceEnded is the Reason of the event of a device token that no trusted device has.
const deviceEnded = "ended"

// useDevice returns the operation that notes the use of a trusted device, for the Commit that
// makes the session, which must require the account as it was read. Otherwise refused says what
// is wrong with the token: "" if there is none.
func (m *Manager) useDevice(ctx context.Context, uid string, acct *account, token Secret) (use []store.Op, refused string, err error) {
	if token == "" || !m.TrustsDevices() {
		return nil, "", nil
	}
	// A client may keep it in a file that ends in a line break. The user would be asked for a code
	// at each login, and no answer would say why.
	secret, ok := strings.CutPrefix(withoutSpace.Replace(string(token)), devicePrefix)
	secret, owner, bound := strings.Cut(secret, ".")
	if !ok || !ident.IsBase62(secret, deviceSecret) {
		return nil, malformed, nil
	}
	if bound && owner != deviceOwner(uid, secret) { // of another user of the device
		return nil, "", nil
	}
	devices := devicesRow(uid)
	if err := m.records.Read(ctx, &devices); errors.Is(err, record.ErrDamaged) {
		return nil, "damaged", nil // a code is asked for, as if there were no device
	} else if err != nil {
		return nil, "", err
	}
	now := m.now()
	devices.Rec.prune(acct, now)
	one := devices.Rec.find(deviceDigest(uid, secret))
	if one == nil {
		return nil, deviceEnded, nil
	}
	one.Used = now
	return []store.Op{devices.Rec.write(devices.Put())}, "", nil
}

// chargeDevice counts a refused device token as a wrong code. It is counted after the comparison
// and never refused: 256 random bits are not guessed, and so strangers who use up the budgets of
// codes do not lock out an owner whose device is trusted.
func (m *Manager) chargeDevice(ctx context.Context, uid string, known bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.StoreTimeout) // even if the client has gone
	defer cancel()
	for _, b := range m.codeBudgets(uid, clientPrefix(ctx), known) {
		if _, err := m.records.Hit(ctx, b.key, b.limit, b.hits(), m.now()); err != nil {
			m.cfg.Logger.WarnContext(ctx, "auth: a refused device token was not counted", "err", err)
		}
	}
}

// TrustedDevices returns the devices that the user trusts, the latest first. None has its token.
// The error is ErrNotFound if there is no such user.
func (m *Manager) TrustedDevices(ctx context.Context, userID string) ([]TrustedDevice, error) {
	uid, _ := parseUser(userID)
	devices := devicesRow(uid)
	_, acct, err := m.findUser(ctx, userID, &devices)
	if errors.Is(err, record.ErrDamaged) { // what it had is trusted no more
		devices = devicesRow(uid)
		_, acct, err = m.findUser(ctx, userID)
	}
	if err != nil {
		return nil, err
	}
	devices.Rec.prune(&acct.Rec, m.now())
	var list []TrustedDevice
	for _, one := range devices.Rec.Devices {
		addr, _ := netip.ParseAddr(one.Address)
		list = append(list, TrustedDevice{
			ID: deviceIDPrefix + one.ID, Client: Client{Addr: addr, UserAgent: one.UserAgent},
			CreatedAt: one.Created, LastUsedAt: one.Used, ExpiresAt: one.Expires,
		})
	}
	slices.SortStableFunc(list, func(a, b TrustedDevice) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return list, nil
}

// RemoveTrustedDevice ends the trust in one device of the caller's user. From its return on a
// login there needs a code. Sessions that began there go on: [Manager.LogoutSession] ends them.
// The error is ErrNotFound for a device that is unknown, trusted no longer or another user's.
func (m *Manager) RemoveTrustedDevice(ctx context.Context, id Identity, deviceID string) error {
	defer m.calls.Begin()()
	devices := devicesRow(uidOf(id))
	c, err := m.loadPrincipal(ctx, id, &devices)
	if err != nil {
		return err
	}
	bare, _ := ident.Bare(deviceID, deviceIDPrefix, ident.RandomLen)
	e := id.event(EventDeviceRemoved)
	err = m.retryAs(ctx, id, c, func() error {
		devices.Rec.prune(&c.acct.Rec, m.now())
		i := slices.IndexFunc(devices.Rec.Devices, func(one device) bool { return one.ID == bare })
		if i < 0 {
			return ErrNotFound
		}
		devices.Rec.Devices = slices.Delete(devices.Rec.Devices, i, i+1)
		if len(devices.Rec.Devices) == 0 {
			return m.records.Commit(ctx, devices.Remove())
		}
		return m.records.Commit(ctx, devices.Rec.write(devices.Put()))
	}, &devices)
	if errors.Is(err, ErrNotFound) {
		e.Type, e.Reason = EventAccessDenied, "not_found"
		m.emit(ctx, e)
		return err
	}
	m.report(ctx, err, e)
	return err
}
