package redistest

import "strings"

const slots = 16384

// Slot returns the slot of a key in a cluster: the CRC-16 (XMODEM) of its hash tag, or
// of all of it if it has none, modulo the number of slots.
func Slot(key string) int {
	if _, tag, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(tag, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc = crc<<8 ^ crcOf[byte(crc>>8)^key[i]]
	}
	return int(crc) % slots
}

var crcOf = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			high := crc >= 1<<15
			crc <<= 1
			if high {
				crc ^= 0x1021
			}
		}
		table[i] = crc
	}
	return table
}()
