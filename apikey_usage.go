package auth

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/record"
)

// An APIKeyUsage says when, how often and from where a key was used. Only uses that were
// accepted count. All times are UTC.
type APIKeyUsage struct {
	Total       uint64
	LastUsedAt  time.Time       // zero: it was never used
	LastNetwork netip.Prefix    // of the last use: an IPv4 /32 or IPv6 /64; zero if it is unknown
	Networks    []APIKeyNetwork // the last eight, the one that was used last first
	Hours       []APIKeyHour    // the last 168 with uses, the oldest first
}

// An APIKeyNetwork is a network that a key was used from.
type APIKeyNetwork struct {
	Network   netip.Prefix // an IPv4 /24 or IPv6 /48
	FirstSeen time.Time    // since it is among the last eight; zero: an older version did not store it
	LastSeen  time.Time
}

// An APIKeyHour has the uses of a key within an hour of the clock.
type APIKeyHour struct {
	From time.Time // when the hour begins
	Uses uint64    // more than 0
}

// APIKeyUsage returns how one of the caller's keys was used. Uses that this Manager accepted are
// included at once, uses that another accepted within Config.UsageInterval. The error is
// ErrNotFound for a key that is not the caller's.
func (m *Manager) APIKeyUsage(ctx context.Context, id Identity, keyID string) (APIKeyUsage, error) {
	kid, _ := parseKeyID(keyID)
	k, used := keyRow(uidOf(id), kid), keyUsageRow(uidOf(id), kid)
	uses := m.pendingUses(kid)
	c, err := m.loadPrincipal(ctx, id, &k, &used)
	if err != nil {
		return APIKeyUsage{}, err
	}
	if !k.Exists() || !c.acct.Rec.madeIn(k.Rec.Org) {
		return APIKeyUsage{}, m.refuseKeyID(ctx, id, keyID)
	}
	used.Rec.Merge(uses)
	return publicUsage(used.Rec), nil
}

func publicUsage(u keyuse.Usage) APIKeyUsage {
	public := APIKeyUsage{Total: u.Count, LastUsedAt: u.Last, LastNetwork: u.LastNetwork()}
	for _, n := range u.Networks() {
		public.Networks = append(public.Networks, APIKeyNetwork{n.Prefix, n.First, n.Last})
	}
	for _, h := range u.Hours {
		public.Hours = append(public.Hours, APIKeyHour{h.From(), h.Uses})
	}
	return public
}

// pendingUses returns the uses of a key that are not written yet, none if kid is "". They are
// read before the record, as in addUsage.
func (m *Manager) pendingUses(kid string) keyuse.Uses {
	if kid == "" {
		return keyuse.Uses{}
	}
	return m.usage.Pending(kid)
}

// addUsage returns the descriptions of the keys in rows, with their uses.
func (m *Manager) addUsage(ctx context.Context, uid string, rows []record.Row[keyRecord]) ([]APIKey, error) {
	// Uses in memory are read first. So a use that is being written at this moment may be
	// counted twice, but is never missing.
	pending := make([]keyuse.Uses, len(rows))
	for i, k := range rows {
		pending[i] = m.usage.Pending(kidOf(uid, k.Key))
	}
	written, err := record.All[keyuse.Usage](ctx, m.records, keyUsageKey(uid, ""))
	if err != nil {
		return nil, err
	}
	uses := make(map[string]keyuse.Usage, len(written))
	for _, u := range written {
		uses[strings.TrimPrefix(u.Key, keyUsageKey(uid, ""))] = u.Rec
	}
	keys := make([]APIKey, 0, len(rows))
	for i, k := range rows {
		kid := kidOf(uid, k.Key)
		u := uses[kid]
		u.Merge(pending[i])
		keys = append(keys, k.Rec.public(kid, u))
	}
	slices.SortStableFunc(keys, func(a, b APIKey) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return keys, nil
}

// trackKeys returns the Tracker that counts and writes the uses of API keys.
func (m *Manager) trackKeys() *keyuse.Tracker {
	return keyuse.New(keyuse.Config{
		Records: m.records, Log: m.cfg.Logger, Interval: m.cfg.UsageInterval, Found: m.emitFinding,
		Rows: func(uid, kid string) (keyuse.KeyRow, *record.Row[keyuse.Usage]) {
			usage := keyUsageRow(uid, kid)
			return &usedKey{keyRow(uid, kid)}, &usage
		},
	})
}

// A usedKey is the row of a key whose uses are written.
type usedKey struct{ record.Row[keyRecord] }

// Created implements keyuse.KeyRow.
func (k *usedKey) Created() time.Time { return k.Rec.Created }

func keyUsageRow(uid, kid string) record.Row[keyuse.Usage] {
	return record.New[keyuse.Usage](keyUsageKey(uid, kid))
}

var findingEvents = map[keyuse.Kind]EventType{
	keyuse.NewNetwork: EventAPIKeyNewNetwork,
	keyuse.Woke:       EventAPIKeyWoke,
	keyuse.Burst:      EventAPIKeyBurst,
}

// emitFinding emits the event of a Finding about a key.
func (m *Manager) emitFinding(uid, kid string, f keyuse.Finding) {
	keyID := keyIDPrefix + kid
	m.emit(context.Background(), Event{
		Type: findingEvents[f.Kind], Time: f.Time, Client: Client{Addr: f.Addr}, Count: f.Count,
		Actor: keyID, UserID: userIDOf(uid), APIKeyID: keyID,
	})
}
