package password

// Decode gives tests the decoder without the work that follows it.
func Decode(encoded string) (p Params, salt, tag int, again string, err error) {
	h, err := decode(encoded)
	if err != nil {
		return Params{}, 0, 0, "", err
	}
	return h.params, len(h.salt), len(h.tag), h.encode(), nil
}
