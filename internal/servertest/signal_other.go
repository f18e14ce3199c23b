//go:build !unix

package servertest

import "errors"

// Stop cannot be done on this system.
func (p *Process) Stop() error { return errors.ErrUnsupported }

// Continue cannot be done on this system.
func (p *Process) Continue() error { return errors.ErrUnsupported }

func (p *Process) halt() []int { return nil }
func kill(int)                 {}
