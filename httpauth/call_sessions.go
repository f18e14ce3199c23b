package httpauth

import (
	"github.com/datixlab/auth"
	"github.com/datixlab/auth/internal/device"
)

type sessionList struct {
	Sessions []listedSession `json:"sessions"`
}

type listedSession struct {
	ID          string   `json:"id" example:"ses_1a2b3c"`
	Current     bool     `json:"current" example:"true" doc:"Whether it is the session of this call."`
	CreatedAt   string   `json:"created_at" format:"date-time" example:"2026-01-15T10:30:00Z" doc:"When the login was."`
	RefreshedAt string   `json:"refreshed_at" format:"date-time" example:"2026-01-15T11:10:00Z" doc:"When the last refresh was, or the login."`
	ExpiresAt   string   `json:"expires_at" format:"date-time" example:"2026-01-15T12:10:00Z" doc:"When it ends, unless it is refreshed before."`
	Address     string   `json:"address" example:"192.0.2.7" doc:"Of the login. Empty if it is unknown."`
	UserAgent   string   `json:"user_agent" example:"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" doc:"Of the login, as the client wrote it, cut to 200 bytes."`
	Device      string   `json:"device" example:"Firefox on Linux" doc:"What user_agent names, in words of this service. Empty if it names nothing known. Clients can claim to be any device."`
	AMR         []string `json:"amr" example:"pwd" doc:"How the login was proven (RFC 8176): pwd, otp, mfa, or a word of the service such as oauth."`
}

func listSessions(c *call) (any, error) {
	sessions, err := c.manager.Sessions(c, c.identity.User.ID)
	if err != nil {
		return nil, asCaller(err)
	}
	return sessionList{listedSessions(c, sessions)}, nil
}

func listedSessions(c *call, sessions []auth.Session) []listedSession {
	list := make([]listedSession, len(sessions))
	for i, s := range sessions {
		l := listedSession{
			ID:          s.ID,
			Current:     s.ID == c.identity.SessionID,
			CreatedAt:   formatTime(s.CreatedAt),
			RefreshedAt: formatTime(s.RefreshedAt),
			ExpiresAt:   formatTime(s.ExpiresAt),
			UserAgent:   s.Client.UserAgent,
			Device:      device.Of(s.Client.UserAgent),
			AMR:         s.AMR,
		}
		if s.Client.Addr.IsValid() {
			l.Address = s.Client.Addr.String()
		}
		list[i] = l
	}
	return list
}

func endSession(c *call) (any, error) {
	if err := c.manager.LogoutSession(c, c.identity, c.variable("session_id")); err != nil {
		return nil, err
	}
	return success{true, "Session ended"}, nil
}

type endedOthers struct {
	Success bool   `json:"success" example:"true"`
	Message string `json:"message" example:"Logged out elsewhere" doc:"For people."`
	Ended   int    `json:"ended" example:"2" doc:"How many sessions were ended."`
}

func logoutOthers(c *call) (any, error) {
	ended, err := c.manager.LogoutOthers(c, c.identity)
	if err != nil {
		return nil, err
	}
	return endedOthers{true, "Logged out elsewhere", ended}, nil
}
