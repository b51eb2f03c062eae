"""Passwords that everybody tries first, in lower case; shorter ones the minimum length refuses anyway."""

_TEXT = """
12345678 123456789 1234567890 12345678910 123456789012 1234567890123 01234567890 012345678901 0123456789
87654321 987654321 0987654321 09876543210 11111111 111111111111 22222222 55555555 66666666 77777777 88888888
00000000 000000000000 99999999 12341234 123412341234 12121212 121212121212 123123123 123123123123 123321123
123321123321 112233445566 11223344 1122334455 147258369 147852369 159753456 741852963 789456123 135792468
123456abc 123456789a 123456789abc 1234567890a a12345678 a123456789 abc12345 abc123456 abc123456789 abcd1234
abcd12345678 abcd123456 abcdef123456 abcdefgh abcdefghijkl abcdefgh1234 abc123abc123 aa123456 aa12345678
asdfghjk asdfghjkl asdfasdf asdfasdfasdf asdf1234 asdf12345678 asdfghjkl123 asdfghjkl1234 asdfqwer1234
1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u8i 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 zaq12wsx zaq1zaq1 qazwsxedc
qazwsxedcrfv qazwsx123456 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qwerqwer qwer1234 qwerasdf qwerasdfzxcv qwerty12
qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyui qwertyuiop qwertyuiop12 qwertyuiop123 qwertyuiop1234
qwertyqwerty qwerty654321 qwertzuiop qwertzui azertyuiop azertyuiop12 zxcvbnm1 zxcvbnm123 zxcvbnm12345
zxcvbnmasdfghjkl poiuytrewq lkjhgfdsa mnbvcxz1 1qaz1qaz 1qaz!qaz !qaz2wsx !qaz1qaz 1q2w3e!q@w#e
password passw0rd p@ssw0rd p@ssword pa55word pa55w0rd password1 password12 password123 password1234
password12345 password123456 password01 password! password1! password123! password1234! p@ssw0rd1 p@ssw0rd12
p@ssw0rd123 p@ssw0rd1234 passwordpassword passw0rd123 passw0rd1234 mypassword mypassword1 mypassword123
yourpassword newpassword newpassword1 oldpassword thepassword secretpassword passwort passwort1 passwort123
passwort1234 motdepasse motdepasse123 contraseña contrasena contrasena123 senha123 senha1234 wachtwoord
wachtwoord123 haslo123 parola123 salasana123 lösenord losenord123
administrator administrator1 admin123 admin1234 admin12345 admin123456 admin@123 admin@1234 adminadmin
adminadmin123 adminpassword administrador rootroot rootpassword root1234 toor1234 superuser superuser123
changeme changeme1 changeme12 changeme123 changeme1234 changemenow pleasechangeme changethis changethis123
default123 defaultpassword letmein1 letmein12 letmein123 letmein1234 letmeinnow letmeinplease welcome1
welcome12 welcome123 welcome1234 welcome12345 welcome2024 welcome2025 welcome2026 welcomehome welcomeback
iloveyou iloveyou1 iloveyou12 iloveyou123 iloveyou1234 iloveyousomuch iloveyouforever ilovegod ilovejesus
sunshine sunshine1 sunshine12 sunshine123 princess princess1 princess12 princess123 football football1
football123 baseball baseball1 baseball123 basketball basketball1 superman superman1 superman123 batman123
spiderman spiderman123 starwars starwars123 pokemon123 minecraft minecraft123 dragon123 dragonball monkey123
shadow123 master123 michael1 michael123 jennifer jennifer1 jordan23 jordan123 charlie1 charlie123 ashley123
computer computer1 computer123 internet internet1 internet123 samsung123 google123 facebook facebook1
facebook123 whatever whatever1 trustno1 trustno1trustno1 mustang1 corvette mercedes ferrari1 hello123
hello1234 hellohello helloworld helloworld1 helloworld123 liverpool liverpool1 liverpool123 chelsea123
arsenal123 manchester barcelona barcelona1 realmadrid juventus test1234 test12345 testtest testtest123
testing123 testing1234 testpassword temppassword temporary temporary123 temp1234 guest123 guestguest
qwerty@123 india@123 abcd@1234 abc@1234 pass@123 pass@1234 pass1234 pass12345 pass123456 passpass passpass123
summer2024 summer2025 summer2026 winter2024 winter2025 winter2026 spring2025 spring2026 autumn2025 autumn2026
summer2025! winter2025! spring2026! company123 companyname agency123 marketing marketing123 business123
site2crm site2crm1 site2crm123 site2crm1234 site2crm12345 site2crmsite2crm correcthorsebatterystaple
"""

COMMON = frozenset(_TEXT.split())
