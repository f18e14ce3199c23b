package auth

import (
	"context"

	"github.com/datixlab/auth/internal/slots"
)

// OccupyHashing takes one hashing slot until release is called.
func (m *Manager) OccupyHashing() (release func()) { return occupy(m.hashSlots) }

// OccupyPictures takes the one slot in which QR codes are drawn.
func (m *Manager) OccupyPictures() (release func()) { return occupy(m.pictureSlots) }

func occupy(s *slots.Slots) (release func()) {
	began, done, freed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(freed)
		_ = s.Do(context.Background(), slots.Caller{}, func() {
			close(began)
			<-done
		})
	}()
	<-began
	return func() {
		close(done)
		<-freed
	}
}

// WithoutTurns makes calls of m change one account at the same time, as those of many
// processes do.
func (m *Manager) WithoutTurns() { m.records.Turns = nil }

// WaitingToHash returns how many calls wait for a hashing slot in each lane.
func (m *Manager) WaitingToHash() (preferred, other int) { return m.hashSlots.Waiting() }
