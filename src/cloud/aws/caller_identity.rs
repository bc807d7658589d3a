//! The identity of the node in an AWS account, from its ARN.

/// The identity of the node in an account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallerIdentity {
    /// The account's number.
    pub account: String,
    /// The complete ARN, as STS returns it.
    pub arn: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The name of the role, without its path. `None` for a user.
    pub role: Option<String>,
    /// The name of the user, with its path. `None` for a role.
    pub user: Option<String>,
}

impl CallerIdentity {
    /// Parses an ARN of STS or IAM: `arn:PARTITION:SERVICE::ACCOUNT:RESOURCE`. Returns `None` for any other text.
    ///
    /// The ARN of a session does not contain the path of the role. The root of an account and a federated user are
    /// neither a role nor a user, so that they do not match a user with the same name.
    pub(super) fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let ("arn", partition, service, _, account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?)
        else {
            return None;
        };
        let named = |kind| resource.strip_prefix(kind).filter(|name: &&str| !name.is_empty());
        let role = match service {
            "sts" => named("assumed-role/").and_then(|rest| rest.split('/').next()),
            "iam" => named("role/").and_then(|path| path.rsplit('/').next()),
            _ => return None,
        };
        let user = named("user/").filter(|_| service == "iam");
        Some(Self {
            account: account.to_owned(),
            arn: arn.to_owned(),
            partition: partition.to_owned(),
            role: role.map(str::to_owned),
            user: user.map(str::to_owned),
        })
    }

    /// A description for messages, such as ``the role `family-node` of the account 123456789012``.
    pub fn description(&self) -> String {
        let name = match (&self.role, &self.user) {
            (Some(role), _) => format!("the role `{role}`"),
            (_, Some(user)) => format!("the user `{user}`"),
            _ => format!("`{}`", self.arn),
        };
        format!("{name} of the account {}", self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arn: &str) -> (String, Option<String>, Option<String>) {
        let caller = CallerIdentity::of_arn(arn).expect("an ARN");
        (format!("{}:{}", caller.partition, caller.account), caller.role, caller.user)
    }

    #[test]
    fn a_session_of_a_role_is_the_role_and_a_user_keeps_its_path() {
        let some = |name: &str| Some(name.to_owned());
        let session = "arn:aws:sts::123456789012:assumed-role/data-analyst/i-0abc";
        assert_eq!(of(session), ("aws:123456789012".into(), some("data-analyst"), None));
        let user = "arn:aws-us-gov:iam::123456789012:user/bu/family/alice";
        assert_eq!(of(user), ("aws-us-gov:123456789012".into(), None, some("bu/family/alice")));
    }

    #[test]
    fn the_root_and_federated_users_are_neither_role_nor_user() {
        for arn in ["arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:federated-user/alice"] {
            assert_eq!(of(arn), ("aws:123456789012".into(), None, None), "{arn}");
        }
    }

    #[test]
    fn an_arn_of_another_resource_is_no_identity() {
        for text in ["", "alice", "arn:aws:s3:::bucket", "arn:aws:sts::123456789012"] {
            assert_eq!(CallerIdentity::of_arn(text), None, "{text}");
        }
    }

    #[test]
    fn a_description_names_the_role_and_the_account() {
        let caller = CallerIdentity::of_arn("arn:aws:sts::123456789012:assumed-role/node/i-1").expect("an ARN");
        assert_eq!(caller.description(), "the role `node` of the account 123456789012");
    }
}
