package auth

import (
	"testing"
	"time"
)

// TD-2: what is stored of a token is of one user.
func TestTheDigestOfADeviceTokenIsOfOneUser(t *testing.T) {
	d := devicesRecord{Devices: []device{{Digest: deviceDigest("a", "secret")}}}
	if d.find(deviceDigest("a", "secret")) == nil || d.find(deviceDigest("b", "secret")) != nil {
		t.Error("the device of one user is trusted for another")
	}
}

// TD-3: the epoch and the enrolment each end the trust, and so does the time.
func TestADeviceIsTrustedForOneEpochAndOneEnrolment(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	acct := &account{Epoch: 3, Enrolment: "e"}
	for want, one := range []device{
		{Epoch: 2, Enrolment: "e", Expires: now.Add(1)}, // 0: not trusted
		{Epoch: 3, Enrolment: "e", Expires: now.Add(1)}, // 1: trusted
	} {
		d := devicesRecord{Devices: []device{one, {Epoch: 3, Enrolment: "f", Expires: now.Add(1)}, {Epoch: 3, Enrolment: "e", Expires: now}}}
		if d.prune(acct, now); len(d.Devices) != want {
			t.Errorf("%+v are trusted, want %d", d.Devices, want)
		}
	}
}
