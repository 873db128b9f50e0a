//! LeaveGroup: members that go by themselves, or that an administrator takes out (KIP-345).

use super::Classic;
use crate::coordinator::group::request::Leaver;
use crate::coordinator::group::turn::Turn;
use crate::model::ErrorCode;

impl Classic {
    /// The code of each, in order.
    pub(in crate::coordinator::group) fn leave(
        &mut self,
        leavers: &[Leaver],
        turn: &mut Turn<'_>,
    ) -> Vec<ErrorCode> {
        let mut codes = Vec::with_capacity(leavers.len());
        let mut leaving = Vec::new();
        for leaver in leavers {
            match self.leaver(leaver) {
                Ok(id) => {
                    leaving.push(id);
                    codes.push(ErrorCode::NONE);
                }
                Err(error) => codes.push(error),
            }
        }
        if !leaving.is_empty() {
            let was_pending_only = leaving.iter().all(|id| self.pending.contains_key(id.as_str()));
            leaving.iter().for_each(|id| self.take_out(id, turn));
            match was_pending_only {
                // Nobody who shares has left.
                true if self.state != super::State::PreparingRebalance => {}
                _ => self.less(turn),
            }
        }
        codes
    }

    /// Whom it means.
    fn leaver(&self, leaver: &Leaver) -> Result<String, ErrorCode> {
        let Leaver { member, instance, .. } = leaver;
        if member.is_empty() {
            let holder = instance.as_ref().and_then(|instance| self.instances.get(instance));
            return holder.map(|id| id.to_string()).ok_or(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if !self.pending.contains_key(member.as_str()) {
            self.check_member(member, instance.as_deref())?;
        }
        Ok(member.clone())
    }
}
