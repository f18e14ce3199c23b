package auth

import (
	"context"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/slots"
)

// hashCaller says where a call waits for a hashing slot. Its source is the widest network
// that one subscriber may have.
func hashCaller(ctx context.Context) slots.Caller {
	return slots.Caller{Source: netprefix.Networks(ClientFrom(ctx).Addr)[0]}
}
