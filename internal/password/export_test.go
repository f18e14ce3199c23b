package password

// Decode gives tests the decoder without the work that follows it.
func Decode(encoded string) (p Params, salt, tag int, again string, err error) {
	h, err := decode(encoded)
	if err != nil {
		return Params{}, 0, 0, "", err
	}
	return h.params, len(h.salt), len(h.tag), h.encode(), nil
}

// Work returns the bytes that a foreign hash takes, and how many bytes or rounds it reads and
// writes at least.
func Work(c *Comparer, stored string) (memory, work uint64) {
	switch h, _ := c.decodeForeign(stored); h := h.(type) {
	case *hash:
		return h.memory(), h.memory() * uint64(h.params.Time)
	case *scryptHash:
		return h.memory() + uint64(h.p*h.r*128), h.memory() * uint64(h.p)
	case *firebaseHash:
		return h.memory(), h.memory()
	case *pbkdf2Hash:
		return 0, uint64(h.rounds)
	case bcryptHash:
		return 0, 1 << maxBcryptCost
	}
	return 1 << 63, 1 << 63
}
