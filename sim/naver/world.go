package naver

import "maps"

// world is what admin calls changed about the data. It is replaced as a whole,
// never written, so that files are made without a lock.
type world struct {
	over map[string]override // by entity id
	revs map[revKey]int
}

// change replaces the world by a changed copy.
func (s *Server) change(fn func(*world)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changeLocked(fn)
}

func (s *Server) changeLocked(fn func(*world)) {
	old := s.world.Load()
	w := &world{maps.Clone(old.over), maps.Clone(old.revs)}
	fn(w)
	s.world.Store(w)
}

// overridden is what was changed about e, the zero override if nothing.
func (s *Server) overridden(e ent) override {
	w := s.world.Load()
	if len(w.over) == 0 {
		return override{}
	}
	return w.over[s.id(e)]
}
