"""What proves to the service who asks.

Rule: a secret is handed out only as a request header, or in the body of a request for a token, and stands
in no repr and no error. However many polls meet an expired token, it is renewed once; what was rejected
after that, and what locks an account or a key, is final.
"""

from gespoll._credentials.access_key import AccessKey
from gespoll._credentials.password import PasswordCredentials
from gespoll._credentials.protocol import Credentials, Errand, Surroundings, credentials_problem
from gespoll._credentials.token import Token

__all__ = ["AccessKey", "Credentials", "Errand", "PasswordCredentials", "Surroundings", "Token", "credentials_problem"]
