package challenge

import (
	"context"
	"net/http"
)

// Keep opens the listener and leaves it open until Leave, also while no
// challenge is pending: whatever asks for none is answered by site.
func (s *HTTP01) Keep(ctx context.Context, site http.Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.site == nil {
		if err := s.door.enter(ctx); err != nil {
			return err
		}
	}
	s.site = site
	return nil
}

// Leave ends what Keep began. Challenges that are pending are answered on.
func (s *HTTP01) Leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.site == nil {
		return nil
	}
	s.site = nil
	return s.door.leave()
}

// behind is who answers what asks for no challenge.
func (s *HTTP01) behind() http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.site != nil {
		return s.site
	}
	return http.NotFoundHandler()
}
