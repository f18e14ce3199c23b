package auth

import "context"

// OccupyHashing takes one hashing slot until release is called.
func (m *Manager) OccupyHashing() (release func()) {
	began, done, freed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(freed)
		_ = m.hashSlots.Do(context.Background(), func() {
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
