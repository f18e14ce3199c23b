package httpauth

import (
	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/device"
)

type deviceList struct {
	TrustedDevices []listedDevice `json:"trusted_devices"`
}

type listedDevice struct {
	ID         string `json:"id" example:"device_1a2b3c"`
	CreatedAt  string `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z" doc:"When it was trusted."`
	ExpiresAt  string `json:"expires_at" format:"date-time" example:"2026-02-14T10:30:00Z" doc:"From when on a login there needs a code again."`
	LastUsedAt string `json:"last_used_at" format:"date-time" example:"2026-01-20T08:15:00Z" doc:"When it last stood in for a code, or was trusted."`
	Device     string `json:"device" example:"Firefox on Linux" doc:"What the client named itself then, in words of this service. Empty if that is nothing known. Clients can claim to be any device."`
	Address    string `json:"address" example:"192.0.2.7" doc:"Where it was trusted. Empty if that is unknown."`
}

func listTrustedDevices(c *call) (any, error) {
	devices, err := c.manager.TrustedDevices(c, c.identity.User.ID)
	if err != nil {
		return nil, asCaller(err)
	}
	return deviceList{listedDevices(devices)}, nil
}

func listedDevices(devices []auth.TrustedDevice) []listedDevice {
	list := make([]listedDevice, len(devices))
	for i, d := range devices {
		list[i] = listedDevice{
			ID:         d.ID,
			CreatedAt:  formatTime(d.CreatedAt),
			ExpiresAt:  formatTime(d.ExpiresAt),
			LastUsedAt: formatTime(d.LastUsedAt),
			Device:     device.Of(d.Client.UserAgent),
		}
		if d.Client.Addr.IsValid() {
			list[i].Address = d.Client.Addr.String()
		}
	}
	return list
}

func removeTrustedDevice(c *call) (any, error) {
	if err := c.manager.RemoveTrustedDevice(c, c.identity, c.variable("device_id")); err != nil {
		return nil, err
	}
	return success{true, "Trusted device removed"}, nil
}
